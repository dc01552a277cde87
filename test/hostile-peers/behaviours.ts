import type { Duplex } from 'node:stream'
import { gzipSync } from 'node:zlib'

/** Bytes that a peer offers on one connection. */
export const offeredBytes = Number(process.env.HOSTILE_PEERS_MIB ?? 256) * 1024 * 1024

/**
 * What a peer sends once it was asked something: a beginning, and then the same again and again.
 */
interface Behaviour {
  readonly head: string
  readonly repeated: Buffer
  /** Milliseconds between two of them; 0 as fast as they are taken. */
  readonly pauseMs: number
  /**
   * On connections that are used again, undici keeps nothing of it, and reads on until the time is
   * over.
   */
  readonly endsByTime?: boolean
}

const block = 64 * 1024
const many = (text: string) => Buffer.from(text.repeat(Math.ceil(block / text.length)))
const headers = 'Metadata-Flavor: Google\r\nContent-Type: application/json\r\n'
const ok = `HTTP/1.1 200 OK\r\n${headers}`
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`
const fast = (head: string, repeated: Buffer): Behaviour => ({ head, repeated, pauseMs: 0 })
const slow = (head: string, text: string): Behaviour => ({ head, repeated: Buffer.from(text), pauseMs: 50 })
const bomb = gzipSync(Buffer.alloc(offeredBytes))

/** Of peers that speak HTTP. */
export const httpBehaviours: Readonly<Record<string, Behaviour>> = {
  'endless body': fast(`${ok}Content-Length: 99999999999\r\n\r\n{"a":"`, many('a')),
  'endless body in chunks': fast(chunked, many(`10000\r\n${'a'.repeat(block)}\r\n`)),
  'endless error': fast(
    `HTTP/1.1 400 Bad Request\r\n${headers}Content-Length: 99999999999\r\n\r\n{"error":"`,
    many('a'),
  ),
  'chunks of one byte': fast(chunked, many('1\r\na\r\n')),
  'chunks of one byte behind long extensions': {
    ...fast(chunked, many(`1;${'x'.repeat(8_000)}\r\na\r\n`)),
    endsByTime: true,
  },
  'an endless chunk extension': { ...fast(`${chunked}1;`, many('x')), endsByTime: true },
  'endless trailers': fast(`${chunked}0\r\n`, many('a: b\r\n')),
  'a gzip bomb': fast(
    `${ok}Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n${bomb.toString('latin1')}`,
    Buffer.alloc(0),
  ),
  'endless headers': fast(ok, many('a: b\r\n')),
  'an endless header': fast(`${ok}a: `, many('a')),
  'an endless status line': { ...fast('HTTP/1.1 200 ', many('a')), endsByTime: true },
  'endless interim responses': fast('', many('HTTP/1.1 103 Early Hints\r\n\r\n')),
  'a slow body': slow(chunked, '1\r\na\r\n'),
  'slow headers': slow(ok, 'a: b\r\n'),
  'slow interim responses': slow('', 'HTTP/1.1 103 Early Hints\r\n\r\n'),
  nothing: { head: '', repeated: Buffer.alloc(0), pauseMs: 1_000 },
}

/** Sends as much as is taken, until the connection ends. */
export function behave(socket: Duplex, { head, repeated, pauseMs }: Behaviour): void {
  let offered = 0
  const send = () => {
    while (!socket.destroyed && repeated.length > 0 && offered < offeredBytes) {
      offered += repeated.length
      const isTaken = socket.write(repeated)
      if (pauseMs > 0) return
      if (!isTaken) {
        socket.once('drain', send)
        return
      }
    }
  }
  socket.write(Buffer.from(head, 'latin1'))
  if (pauseMs === 0) {
    send()
    return
  }
  const timer = setInterval(send, pauseMs)
  socket.once('close', () => clearInterval(timer))
}
