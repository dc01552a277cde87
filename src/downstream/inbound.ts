import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ProxyError } from '../errors.ts'

/**
 * Node's handle of a TCP connection. `bytesWritten` of the socket itself counts a write of 256 KiB
 * only at its end.
 */
interface TcpHandle {
  /** Bytes given to the handle. */
  readonly bytesWritten: number
  /** Those of them that the operating system hasn't taken. */
  readonly writeQueueSize: number
}

/** A client's request and response, and what becomes of them on its connection. */
export class Inbound {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /**
   * The error that the client got when its request became unreadable on the way. To the sender, the
   * request looks truncated.
   */
  unreadable: ProxyError | null = null
  readonly #tcp: Socket
  #bodyRefusal: ProxyError | null = null
  #onBodyRefused: ((reason: ProxyError) => void) | null = null

  /** @param tcp what carries the connection: the socket itself, or the one beneath TLS */
  constructor(request: IncomingMessage, response: ServerResponse, tcp: Socket) {
    this.request = request
    this.response = response
    this.#tcp = tcp
  }

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

  /**
   * Bytes that the operating system has taken on the response's connection, those of TLS included.
   */
  get bytesFlushed(): number {
    if (!this.response.socket) return 0
    const { _handle: handle } = this.#tcp as Socket & { _handle?: TcpHandle | null }
    return handle ? handle.bytesWritten - handle.writeQueueSize : 0
  }

  /** Ends a response that can't be completed. */
  reset(): void {
    resetResponse(this.response, this.#tcp)
  }
}

/**
 * Ends a response that can't be completed. The connection is reset, not closed: to a client that
 * takes the end of the connection for the end of the body (HTTP/1.0, RFC 9112 6.3), a closed one
 * would make the part look whole. The notice that a whole TLS connection ends with (RFC 8446 6.1)
 * is missing then, too, but many clients don't miss it.
 *
 * @param tcp what carries the connection: a TLS connection itself can't be reset
 */
export function resetResponse(response: ServerResponse, tcp: Socket): void {
  if (response.socket && !('encrypted' in tcp)) tcp.resetAndDestroy()
  response.destroy()
}
