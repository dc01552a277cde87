import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:tls'
import { eventually } from './eventually.ts'

/** Frame types (RFC 9113 6). */
export const type = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

/** Flags (RFC 9113 6). */
export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const

/** Error codes (RFC 9113 7). */
export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  refusedStream: 7,
  cancel: 8,
  enhanceYourCalm: 11,
} as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A setting, by its number (RFC 9113 6.5.2). */
export function settings(values: Readonly<Record<number, number>> = {}): Buffer {
  const entries = Object.entries(values).map(([id, value]) => {
    const entry = Buffer.alloc(6)
    entry.writeUInt16BE(Number(id))
    entry.writeUInt32BE(value, 2)
    return entry
  })
  return frame(type.settings, 0, 0, Buffer.concat(entries))
}

/** The numbers of settings. */
export const setting = { initialWindowSize: 4, maxConcurrentStreams: 3 } as const

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A header block without compression: each a literal with a new name (RFC 7541 6.2.2). */
export function headerBlock(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]))
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(bytes.length), bytes])
}

/** With a prefix of seven bits (RFC 7541 5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.of(value)
  const bytes = [127]
  for (let rest = value - 127; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) + 128)
  }
}

/** The pseudo-headers of a request. */
export function pseudo(method: string, path: string, authority = 'localhost'): [string, string][] {
  return [
    [':method', method],
    [':scheme', 'https'],
    [':authority', authority],
    [':path', path],
  ]
}

/** A client that sends frames as the test wants them. */
export class RawHttp2 {
  readonly socket: Socket
  readonly frames: Frame[] = []
  closed = false
  #bytes: Buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => this.#onData(bytes))
    socket.on('error', () => {})
    socket.once('close', () => (this.closed = true))
  }

  send(...frames: Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames))
  }

  /** A request whose head is complete. */
  request(stream: number, headers: readonly (readonly [string, string])[], isWhole = true): void {
    this.send(frame(type.headers, flag.endHeaders | (isWhole ? flag.endStream : 0), stream, headerBlock(headers)))
  }

  of(stream: number, type: number): Frame[] {
    return this.frames.filter((frame) => frame.stream === stream && frame.type === type)
  }

  /** The bytes of a response's body so far. */
  bodyOf(stream: number): Buffer {
    return Buffer.concat(this.of(stream, type.data).map(({ payload }) => payload))
  }

  /** Whether a response has an end that makes it whole. */
  isWhole(stream: number): boolean {
    return this.frames.some(
      (frame) =>
        frame.stream === stream &&
        (frame.type === type.data || frame.type === type.headers) &&
        (frame.flags & flag.endStream) !== 0,
    )
  }

  /** The error code that a stream was reset with, or else undefined. */
  resetOf(stream: number): number | undefined {
    return this.of(stream, type.rstStream)[0]?.payload.readUInt32BE()
  }

  /** The error code that the connection was ended with. */
  get goaway(): number | undefined {
    return this.of(0, type.goaway).at(-1)?.payload.readUInt32BE(4)
  }

  /** Resolves when the proxy has ended the connection, or says that it will. */
  ended(what: string): Promise<void> {
    return eventually(what, () => this.closed || (this.goaway ?? 0) !== 0)
  }

  #onData(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    while (this.#bytes.length >= 9) {
      const length = this.#bytes.readUIntBE(0, 3)
      if (this.#bytes.length < 9 + length) return
      const [type = 0, flags = 0] = this.#bytes.subarray(3, 5)
      const stream = this.#bytes.readUInt32BE(5) & 0x7fffffff
      this.frames.push({ type, flags, stream, payload: Buffer.from(this.#bytes.subarray(9, 9 + length)) })
      this.#bytes = this.#bytes.subarray(9 + length)
    }
  }
}

/** Connects, and exchanges settings. */
export async function connectRaw(
  url: string,
  ca: string,
  values: Readonly<Record<number, number>> = {},
): Promise<RawHttp2> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), ca, ALPNProtocols: ['h2'] })
  await once(socket, 'secureConnect')
  const raw = new RawHttp2(socket)
  raw.send(preface, settings(values), frame(type.settings, flag.ack, 0))
  return raw
}
