import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { ProxyError } from '../errors.ts'

/** What is read of a request besides its body: in the form of HTTP/1.1, whichever version it has. */
export type InboundRequest = Pick<
  IncomingMessage,
  'method' | 'url' | 'headers' | 'rawHeaders' | 'httpVersion' | 'socket' | 'complete'
>

type ResponseEvent = 'close' | 'drain' | 'finish' | 'prefinish'

/** What is done with a response, of whichever version of HTTP: as Node's `ServerResponse` does it. */
export interface InboundResponse {
  readonly req: InboundRequest
  readonly headersSent: boolean
  readonly destroyed: boolean
  readonly writableLength: number
  readonly writableNeedDrain: boolean
  readonly writableEnded: boolean
  readonly writableFinished: boolean
  /** The connection, if it carries nothing but this response. */
  readonly socket: Socket | null
  /** Without effect where a connection carries several. */
  shouldKeepAlive: boolean
  setHeader(name: string, value: string | number): unknown
  hasHeader(name: string): boolean
  writeContinue(): void
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown
  write(bytes: Buffer): boolean
  end(bytes?: Buffer | string): unknown
  on(event: ResponseEvent, listener: () => void): unknown
  once(event: ResponseEvent, listener: () => void): unknown
  off(event: ResponseEvent, listener: () => void): unknown
  setMaxListeners(count: number): unknown
}

/** A client's request and response, and what becomes of them on its connection. */
export abstract class Inbound {
  abstract readonly request: InboundRequest
  /** The request's body. */
  abstract readonly body: Readable
  abstract readonly response: InboundResponse
  /**
   * The error that the client got when its request became unreadable on the way. To the sender, the
   * request looks truncated.
   */
  unreadable: ProxyError | null = null
  #bodyRefusal: ProxyError | null = null
  #onBodyRefused: ((reason: ProxyError) => void) | null = null

  /** Bytes that the operating system has taken; not all of them need be the response's. */
  abstract get bytesFlushed(): number

  /** Whether no byte that was written waits for the client. */
  abstract get isFlushed(): boolean

  /** Ends a response that can't be completed, so that it does not look whole. */
  abstract reset(): void

  /** Does away with what the client still sends after its response has begun. */
  abstract drain(isUnauthenticated: boolean): void

  /** Why no more of the body is read; null while it is. */
  get bodyRefusal(): ProxyError | null {
    return this.#bodyRefusal
  }

  /**
   * Makes the request fail for its body: at once if the body is on its way already, else as soon as
   * somebody wants it.
   */
  refuseBody(reason: ProxyError): void {
    this.#bodyRefusal = reason
    this.#onBodyRefused?.(reason)
  }

  /** Sets the listener for a refusal while the body is read: one at a time, null for none. */
  whenBodyRefused(listener: ((reason: ProxyError) => void) | null): void {
    this.#onBodyRefused = listener
  }
}
