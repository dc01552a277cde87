import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { LimitSettings } from '../config/settings.ts'
import { canonicalAddress } from '../guard/address.ts'
import type { Log } from '../observe/logger.ts'
import type { CountStream } from './admission.ts'
import { Http2Inbound } from './http2-inbound.ts'
import { refuseStream } from './http2-response.ts'

interface Http2Options {
  readonly handle: (inbound: Http2Inbound) => void
  /** Asked again for each connection: they may change. */
  readonly limits: () => Pick<LimitSettings, 'headerBytes' | 'keepAliveTimeout'>
  /** Streams that a client may have open on a connection; asked for each connection. */
  readonly maxStreams: () => number
  /** Counts a stream like a connection; null if there are too many. */
  readonly countStream: CountStream
  /** What carries a TLS connection. */
  readonly tcpOf: (socket: Socket) => Socket
  /** Aborts when clients must send their next requests on new connections. */
  readonly draining: AbortSignal
  readonly log: Log
}

/** Bytes of a request's body that may wait to be read; as many as over HTTP/1.1. */
const streamWindowBytes = 256 * 1024
/** As over HTTP/1.1: Node counts the pairs of pseudo-headers, too. */
const maxHeaders = 1000
/**
 * Frames that make the proxy respond and cost a client nothing: as many at once, and as many a
 * second.
 */
const controlFrames = { burst: 100, perSecond: 10 } as const
/** How long (ms) a connection may take to end in order. */
const closeTimeoutMs = 5_000

/** What bounds a client, beyond what Node bounds by default (docs/adr/0036). */
const bounds = {
  maxHeaderListPairs: maxHeaders,
  /** Entries of one SETTINGS frame. */
  maxSettings: 32,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  /** Megabytes that wait to be sent, and the tables of header compression. */
  maxSessionMemory: 10,
  maxOutstandingPings: 10,
  /** Requests that a client may abort at once, and a second (rapid reset, CVE-2023-44487). */
  streamResetBurst: 200,
  streamResetRate: 20,
} as const

/** The connections of an HTTPS listener whose clients have chosen HTTP/2. */
export class Http2Connections {
  readonly #options: Http2Options
  readonly #open = new Map<ServerHttp2Session, Connection>()

  /** @param serveHttp1 Node's own listeners for connections after their TLS handshake */
  constructor(server: Server, serveHttp1: ReturnType<Server['listeners']>, options: Http2Options) {
    this.#options = options
    for (const listener of serveHttp1) server.off('secureConnection', listener as () => void)
    server.on('secureConnection', (socket: TLSSocket) => {
      if (isHttp2(socket)) this.#add(socket)
      else for (const listener of serveHttp1) listener.call(server, socket)
    })
    options.draining.addEventListener('abort', () => this.closeIdle())
  }

  /** Has every client send no more requests; what is idle ends. */
  closeIdle(): void {
    for (const connection of this.#open.values()) connection.close()
  }

  /** Cuts all of them. */
  resetAll(): void {
    for (const connection of this.#open.values()) connection.reset()
  }

  #add(socket: TLSSocket): void {
    const { limits, maxStreams } = this.#options
    const maxConcurrentStreams = maxStreams()
    const session = performServerHandshake(socket, {
      ...bounds,
      settings: {
        maxConcurrentStreams,
        maxHeaderListSize: limits().headerBytes,
        initialWindowSize: streamWindowBytes,
        enablePush: false,
      },
    })
    const connection = new Connection(session, socket, this.#options)
    this.#open.set(session, connection)
    session.once('close', () => this.#open.delete(session))
    // Streams whose bodies nobody reads must not stop the others.
    session.setLocalWindowSize(streamWindowBytes * maxConcurrentStreams)
  }
}

/** Whether client and proxy have agreed on it (ALPN). */
export function isHttp2(socket: Socket): boolean {
  return (socket as TLSSocket).alpnProtocol === 'h2'
}

/** One client's connection. */
class Connection {
  readonly #session: ServerHttp2Session
  readonly #socket: TLSSocket
  readonly #options: Http2Options
  readonly #address: string
  readonly #controlFrames = new Allowance(controlFrames)
  #streams = 0
  #isClosing = false
  #isClosed = false
  #idleTimer: NodeJS.Timeout | undefined
  #endTimer: NodeJS.Timeout | undefined

  constructor(session: ServerHttp2Session, socket: TLSSocket, options: Http2Options) {
    this.#session = session
    this.#socket = socket
    this.#options = options
    this.#address = canonicalAddress(socket.remoteAddress)
    session.on('stream', (stream, headers, _flags, rawHeaders) => this.#onStream(stream, headers, rawHeaders))
    session.on('ping', () => this.#onControlFrame('PING'))
    session.on('remoteSettings', () => this.#onControlFrame('SETTINGS'))
    session.on('error', (error: NodeJS.ErrnoException) => this.#onError(error))
    session.once('close', this.#onClose)
    this.#awaitStream()
  }

  /**
   * GOAWAY: requests that have come are responded to, and then the connection ends. Those that
   * cross with it were not begun, and the client knows that (RFC 9113 6.8).
   */
  close(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#session.close()
    if (this.#streams === 0) this.#resetLater()
  }

  /** In the middle of responses, too: each looks cut short. */
  reset(): void {
    this.#options.tcpOf(this.#socket).resetAndDestroy()
    this.#session.destroy(undefined, constants.NGHTTP2_INTERNAL_ERROR)
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
    // It may have been reset meanwhile.
    if (stream.destroyed || stream.closed) return
    const release = this.#options.countStream(this.#address)
    if (!release) {
      refuseStream(stream)
      return
    }
    clearTimeout(this.#idleTimer)
    this.#streams += 1
    stream.once('close', () => {
      release()
      this.#streams -= 1
      if (this.#streams === 0) this.#awaitStream()
    })
    this.#options.handle(new Http2Inbound(stream, headers, rawHeaders, this.#socket))
    // The connection was just being opened. A client that is refused its first request may give up.
    if (this.#options.draining.aborted) this.close()
  }

  /** Idle is what has no request: other frames keep no connection open. */
  #awaitStream(): void {
    if (this.#isClosing) this.#resetLater()
    else if (!this.#isClosed) this.#idleTimer = setTimeout(() => this.close(), this.#options.limits().keepAliveTimeout)
  }

  /** A client that does not read would keep an orderly end from coming. */
  #resetLater(): void {
    // Its streams may close after it.
    if (this.#isClosed) return
    this.#endTimer ??= setTimeout(() => this.reset(), closeTimeoutMs)
  }

  readonly #onClose = () => {
    this.#isClosed = true
    clearTimeout(this.#idleTimer)
    clearTimeout(this.#endTimer)
  }

  #onControlFrame(name: string): void {
    if (this.#controlFrames.spend()) return
    const { log } = this.#options
    log.warn({ address: this.#address, reason: `too many ${name} frames` }, 'HTTP/2 connection ended')
    this.#session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM)
    this.#resetLater()
  }

  #onError(error: NodeJS.ErrnoException): void {
    this.#resetLater()
    // A client that leaves needs no line.
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return
    this.#options.log.warn({ address: this.#address, reason: error.message }, 'HTTP/2 connection ended')
  }
}

/** So many at once, and so many a second. */
class Allowance {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #at = performance.now()

  constructor({ burst, perSecond }: { burst: number; perSecond: number }) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
  }

  /** False if there are none left. */
  spend(): boolean {
    const now = performance.now()
    this.#left = Math.min(this.#left + ((now - this.#at) / 1000) * this.#perSecond, this.#burst) - 1
    this.#at = now
    return this.#left >= 0
  }
}
