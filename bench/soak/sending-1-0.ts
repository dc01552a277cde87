import { connect } from 'node:net'
import { type Reply, replyTimeoutMs } from './sending.ts'

const headEnd = Buffer.from('\r\n\r\n')

/**
 * A GET in HTTP/1.0, whose response ends with its connection: such a client can't distinguish a
 * break from the end unless the connection is reset. Never rejects.
 *
 * @param halfCloses whether it ends its side of the connection once the response has begun
 */
export async function sendInHttp10(url: string, accept: string, halfCloses: boolean): Promise<Reply> {
  const { hostname, port, host, pathname, search } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  socket.write(`GET ${pathname}${search} HTTP/1.0\r\nHost: ${host}\r\nAccept: ${accept}\r\n\r\n`)
  if (halfCloses) socket.once('data', () => socket.end())
  const timer = setTimeout(() => socket.destroy(new Error('stuck')), replyTimeoutMs)
  const chunks: Buffer[] = []
  try {
    for await (const chunk of socket) chunks.push(chunk)
  } catch (error) {
    return (error as Error).message === 'stuck' ? { kind: 'stuck' } : { kind: 'broken', status: null }
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
  return replyOf(Buffer.concat(chunks))
}

function replyOf(bytes: Buffer): Reply {
  const end = bytes.indexOf(headEnd)
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = Number(statusLine.split(' ')[1])
  if (end < 0 || !Number.isInteger(status)) return { kind: 'broken', status: null }
  const headers = Object.fromEntries(lines.map((line) => [line.replace(/:.*/, '').toLowerCase(), afterColon(line)]))
  const body = bytes.subarray(end + headEnd.length)
  const length = headers['content-length']
  return length === undefined || Number(length) === body.length
    ? { kind: 'whole', status, headers, body }
    : { kind: 'broken', status }
}

function afterColon(line: string): string {
  return line.slice(line.indexOf(':') + 1).trim()
}
