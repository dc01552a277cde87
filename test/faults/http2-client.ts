import { once } from 'node:events'
import { type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from 'node:http2'
import { type Exchange, type Got, sentShare } from './clients.ts'

/** Sends one request over HTTP/2, and tells what came of it. The connection is gone then. */
export async function runHttp2Client(
  client: 'speaks HTTP/2' | 'resets its stream',
  { url, ca, request, inFlight }: Exchange,
): Promise<Got> {
  const session = connect(url, { ca })
  session.on('error', () => {})
  try {
    const headers = Object.fromEntries(
      request.headers.map((line) => line.split(': ')).map(([name = '', value]) => [name.toLowerCase(), value]),
    )
    const pseudo = { ':method': request.method, ':path': `${new URL(url).pathname}${request.path}` }
    const { body } = request
    const stream = session.request({ ...headers, ...pseudo }, { endStream: body.length === 0 })
    const got = responseOn(stream)
    if (client === 'speaks HTTP/2') {
      if (body.length > 0) stream.end(body)
      return await got
    }
    // It must not see a response that comes quickly.
    stream.pause()
    if (body.length > 0) stream.write(body.subarray(0, body.length * sentShare))
    await inFlight()
    const closed = once(stream, 'close')
    stream.close(constants.NGHTTP2_CANCEL)
    stream.resume()
    await closed
    return { kind: 'left' }
  } finally {
    session.destroy()
  }
}

/** Waits for a whole response, or the end of the stream. */
function responseOn(stream: ClientHttp2Stream): Promise<Got> {
  const { promise, resolve } = Promise.withResolvers<Got>()
  const chunks: Buffer[] = []
  let headers: IncomingHttpHeaders | null = null
  stream.once('response', (received) => {
    headers = received
  })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', () => {})
  stream.once('close', () => {
    const isWhole = headers !== null && stream.rstCode === constants.NGHTTP2_NO_ERROR
    resolve(isWhole ? { kind: 'response', response: messageOf(headers ?? {}, Buffer.concat(chunks)) } : { kind: 'cut' })
  })
  return promise
}

/** In the form of HTTP/1.1: what ends with its stream is what has no length there. */
function messageOf({ ':status': status, ...headers }: IncomingHttpHeaders, body: Buffer) {
  const ends = headers['content-length'] === undefined ? { 'transfer-encoding': 'chunked' } : {}
  const fields = Object.entries({ ...headers, ...ends }).map(([name, value]) => [name, String(value)] as const)
  return { start: `HTTP/2 ${status}`, headers: fields, body }
}
