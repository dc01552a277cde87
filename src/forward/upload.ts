import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { UpstreamTimeouts } from '../config/settings.ts'
import { clientStalled, MinRateMonitor } from '../downstream/min-rate.ts'
import { bug, ProxyError } from '../errors.ts'
import type { Exchange, Outcome } from './exchange.ts'
import type { ReplayBody } from './replay-body.ts'
import { ResponseRelay, type ResponseSource } from './response-relay.ts'

/** What comes after these many headers, Node drops without a word. */
const maxHeaders = 1000

/**
 * One upload to Google: its body, the rate of that, and a response that comes early. A
 * 403, say, is passed on at once, and the body goes on until the response has ended; one that is
 * buffered stops the body, which may have to be sent once more.
 *
 * It is also all that http-proxy gets to see of a request: what it reads, with headers that we
 * built.
 */
export class Upload implements ResponseSource {
  readonly method = 'POST'
  readonly url = ''
  readonly headers: Readonly<Record<string, string>>
  /** http-proxy looks here before it calls an error an error. */
  readonly socket = { destroyed: false }
  readonly #exchange: Exchange
  readonly #relay: ResponseRelay
  readonly #progress: Exchange['progress']
  readonly #body: ReplayBody
  readonly #timeouts: UpstreamTimeouts
  /** Of the client's body, until all of it has arrived. */
  #rateMonitor: MinRateMonitor | null = null
  #upstream: ClientRequest | null = null
  #response: UploadResponse | null = null
  #endUpstream: () => void = () => {}

  constructor(exchange: Exchange, body: ReplayBody, timeouts: UpstreamTimeouts, resolve: (outcome: Outcome) => void) {
    this.headers = { ...exchange.headers, host: exchange.origin.host }
    this.#exchange = exchange
    this.#progress = exchange.progress
    this.#body = body
    this.#timeouts = timeouts
    this.#relay = new ResponseRelay(exchange, this, timeouts, (outcome) => {
      this.#conclude()
      resolve(outcome)
    })
    exchange.inbound.whenBodyRefused((reason) => this.#relay.fail(reason))
  }

  /**
   * For http-proxy, which ends the upstream request at the event `aborted`. The others never come.
   */
  on(event: string, listener: () => void): this {
    if (event === 'aborted') this.#endUpstream = listener
    return this
  }

  /** For http-proxy: what went wrong with the connection to Google. */
  readonly onError = (error: unknown) => {
    if (this.#relay.isSettled) return
    // While a response comes, a failed write only says that Google wants no more of the body.
    if (this.#response) this.#body.unpipe()
    else this.#relay.onError(error)
  }

  onConnection(upstream: ClientRequest): void {
    this.#upstream = upstream
    const { socket } = upstream
    if (socket && !upstream.reusedSocket) keepReadingAfterWriteError(socket)
    upstream.setTimeout(this.#timeouts.idle)
    if (!this.#relay.isSettled) this.#monitorRate(upstream)
    upstream.on('timeout', () => this.#onStall(upstream))
    upstream.on('information', () => this.#relay.onInformational())
    upstream.once('finish', () => {
      this.#rateMonitor?.stop()
      if (!this.#response) upstream.setTimeout(this.#timeouts.response)
    })
    // Some connections end without an error and without a response: after a 101, for instance.
    upstream.once('close', () => {
      if (!this.#response) this.#relay.onError({ code: 'ECONNRESET' })
    })
  }

  onResponse(incoming: IncomingMessage): void {
    if (incoming.rawHeaders.length >= 2 * maxHeaders) {
      this.#relay.fail(tooManyHeaders())
      return
    }
    this.#response = new UploadResponse(incoming, this.#relay)
    this.#upstream?.setTimeout(this.#timeouts.idle)
    this.#relay.onHeaders(incoming.statusCode ?? 0, incoming.headers)
    if (this.#relay.isBuffering && !this.#upstream?.writableFinished) this.#body.unpipe()
  }

  /** Should never come: the exchange ends, and says so. */
  onBug(error: unknown): void {
    const { inbound } = this.#exchange
    if (inbound.response.headersSent) inbound.reset()
    this.#relay.fail(new ProxyError('internal', bug, { cause: error }))
  }

  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  abort(): void {
    this.#endUpstream()
    this.#body.unpipe()
  }

  isReplayable(isRejected: boolean): boolean {
    // Once all of it has left, Google may have stored it, with or without a response.
    return this.#body.replayable && (isRejected || !this.#upstream?.writableFinished)
  }

  #monitorRate(upstream: ClientRequest): void {
    const body = { bytesPassed: () => this.#progress.received, isContended: this.#exchange.isContended }
    this.#rateMonitor = new MinRateMonitor(this.#timeouts, body, () => {
      // What waits for Google is not the client's delay; with a response there, the body does not
      // matter any more.
      if (!upstream.writableNeedDrain && !this.#response) this.#relay.fail(clientStalled())
    })
  }

  /** Not a byte has moved on the connection to Google for the time allowed. */
  #onStall(upstream: ClientRequest): void {
    const { response } = this.#exchange.inbound
    // A client that does not read stops Google's response as well, and is looked after elsewhere.
    // Node tells a request of one timeout only, so the next one is heard of from the socket.
    if (response.headersSent && response.writableNeedDrain) {
      upstream.socket?.once('timeout', () => {
        if (!upstream.destroyed) this.#onStall(upstream)
      })
      upstream.socket?.setTimeout(this.#timeouts.idle)
      return
    }
    if (this.#relay.isSettled || this.#response) upstream.destroy()
    else if (upstream.writableFinished || upstream.writableNeedDrain) this.#relay.fail(noResponse())
    else this.#relay.fail(clientStalled())
  }

  /**
   * When the upload has not ended, its connection can't be used for another request. One of which
   * the last bytes are still on their way out has ended: Node gives its connection back when they
   * are out, and the idle limit goes on.
   */
  #conclude(): void {
    this.#rateMonitor?.stop()
    this.#exchange.inbound.whenBodyRefused(null)
    if (this.#upstream?.writableEnded) return
    this.#body.unpipe()
    this.#upstream?.destroy()
  }
}

/**
 * A response as Node's parser hands it over. It passes the stream that Node makes of it, which
 * would take some 600 bytes for a chunk of one, and bounds its buffer by the bytes within. The
 * stream only has the end, at which Node gives the connection back.
 */
class UploadResponse {
  readonly #incoming: IncomingMessage
  #isPaused = false

  constructor(incoming: IncomingMessage, relay: ResponseRelay) {
    this.#incoming = incoming
    const push = incoming.push.bind(incoming)
    // What Node's parser calls with each chunk, and with null at the end. After a "no" it stops
    // reading the connection.
    incoming.push = (chunk: Buffer | null) => {
      if (chunk === null) return push(null)
      relay.onData(chunk)
      return !this.#isPaused
    }
    incoming.once('end', () => relay.onEnd())
    incoming.once('error', (error) => relay.onError(error))
    incoming.resume()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    // Has Node read the connection again, which may be another request's by now.
    if (!this.#incoming.complete) this.#incoming._read(0)
  }
}

function tooManyHeaders(): ProxyError {
  const problem = 'The response has too many headers.'
  return new ProxyError('upstream-invalid', { problem, remedy: 'Check the outgoing proxy and BaseUrl.' })
}

export function noResponse(): ProxyError {
  const problem = "Google's DICOM store stopped responding (DicomWebProxy.Timeouts)."
  return new ProxyError('upstream-timeout', { problem, remedy: 'Send it again later, or raise the timeout.' })
}

/**
 * Lets a connection outlive the other side's refusal to read on. A server that responds early
 * (403, 413) and hangs up makes our next write fail; Node would then destroy the connection, and
 * with it the response that already waits in the system's buffer. Failed writes are therefore taken
 * for done: what they carried is lost either way. Reading goes on, and finds the response, or else
 * the end of the connection, which is reported as ever.
 */
export function keepReadingAfterWriteError(socket: Socket): void {
  const write = socket._write.bind(socket)
  const writev = socket._writev?.bind(socket)
  socket._write = (chunk, encoding, done) => write(chunk, encoding, (error) => done(unlessHangup(error)))
  if (writev) socket._writev = (chunks, done) => writev(chunks, (error) => done(unlessHangup(error)))
}

function unlessHangup(error: NodeJS.ErrnoException | null | undefined): Error | null {
  return error?.code === 'EPIPE' || error?.code === 'ECONNRESET' ? null : (error ?? null)
}
