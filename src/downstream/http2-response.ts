import { EventEmitter } from 'node:events'
import { type OutgoingHttpHeaders, validateHeaderValue } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { InboundRequest, InboundResponse } from './inbound.ts'

/**
 * The most that Node gets at once: it only tells when all of a write has gone out, and a slow
 * client would seem to read nothing meanwhile.
 */
const maxWriteBytes = 16 * 1024
/** How often (ms) is looked whether the end of a response has gone out. */
const endPollMs = 20

/** A response on a stream of HTTP/2. */
export class Http2Response extends EventEmitter implements InboundResponse {
  readonly req: InboundRequest
  readonly socket = null
  shouldKeepAlive = true
  headersSent = false
  destroyed = false
  writableEnded = false
  writableFinished = false
  bytesFlushed = 0
  readonly #stream: ServerHttp2Stream
  readonly #headers: OutgoingHttpHeaders = {}
  #hasBody = true

  constructor(stream: ServerHttp2Stream, req: InboundRequest) {
    super()
    this.req = req
    this.#stream = stream
    // It would send what waits in one write.
    Object.assign(stream, { _writev: null })
    stream.on('drain', () => this.emit('drain'))
    stream.once('finish', () => {
      // Node itself ends a stream that was reset, or whose response has no body.
      if (this.writableEnded && !stream.aborted && this.#hasBody) this.#finish()
    })
    // The event 'close' may wait until the body is read, which nobody does any more.
    stream.once('aborted', () => queueMicrotask(() => stream.destroy()))
    stream.once('close', () => this.#close())
    // 'close' comes as well.
    stream.on('error', () => {})
  }

  get writableLength(): number {
    return this.#stream.writableLength
  }

  get writableNeedDrain(): boolean {
    return this.#stream.writableNeedDrain
  }

  setHeader(name: string, value: string | number): void {
    this.#headers[name.toLowerCase()] = value
  }

  hasHeader(name: string): boolean {
    return name.toLowerCase() in this.#headers
  }

  writeContinue(): void {
    if (this.#isOpen && !this.headersSent) this.#stream.additionalHeaders({ ':status': 100 })
  }

  writeHead(status: number, headers: OutgoingHttpHeaders): void {
    const all = { ...this.#headers, ...headers }
    for (const [name, value] of Object.entries(all)) validateHeaderValue(name, String(value))
    this.headersSent = true
    this.#hasBody = this.req.method !== 'HEAD' && status !== 204 && status !== 304
    if (this.#isOpen) this.#stream.respond({ ...all, ':status': status }, { endStream: !this.#hasBody })
  }

  write(bytes: Buffer): boolean {
    if (!this.#isOpen || !this.#hasBody) return true
    for (let at = 0; at < bytes.length; at += maxWriteBytes) {
      const slice = bytes.subarray(at, at + maxWriteBytes)
      this.#stream.write(slice, (error) => {
        if (!error) this.bytesFlushed += slice.length
      })
    }
    return !this.#stream.writableNeedDrain
  }

  end(bytes?: Buffer | string): void {
    if (this.writableEnded) return
    if (bytes) this.write(Buffer.from(bytes))
    this.writableEnded = true
    if (this.#hasBody && this.#isOpen) this.#stream.end()
    this.emit('prefinish')
    if (!this.#hasBody) queueMicrotask(() => this.#finish())
  }

  /**
   * Ends the stream so that the response can't look whole. Node's `close()` would first end it in
   * order if no byte of it waits to be sent, and `destroy()` without an error tells of none.
   */
  reset(): void {
    this.#stream.destroy(new Error('The response was cut short'))
  }

  get #isOpen(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed
  }

  #finish(): void {
    if (this.destroyed) return
    this.writableFinished = true
    this.emit('finish')
    this.#stopSending()
    this.#close()
  }

  #close(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.emit('close')
  }

  /**
   * The client has its response, and need not send more of its request. The notice must not
   * overtake the end of the response, which may still wait behind other streams.
   */
  #stopSending(): void {
    const stream = this.#stream
    if (stream.destroyed) return
    if (this.req.complete) stream.resume()
    else if (stream.state.localClose !== 1) setTimeout(() => this.#stopSending(), endPollMs)
    else stream.destroy()
  }
}

/** How a stream is refused that the client may send once more (RFC 9113 8.7). */
export function refuseStream(stream: ServerHttp2Stream): void {
  stream.on('error', () => {})
  stream.close(constants.NGHTTP2_REFUSED_STREAM)
}
