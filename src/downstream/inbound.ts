import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ProxyError } from '../errors.ts'

/**
 * What Node has beneath a TCP connection. `bytesWritten` of the socket itself counts a write of 256
 * KiB at its end only.
 */
interface TcpHandle {
  /** Bytes that were given to it. */
  readonly bytesWritten: number
  /** Bytes of these that the operating system has not taken. */
  readonly writeQueueSize: number
}

/** A request of a client with its response, and what becomes of them on the client's connection. */
export class Inbound {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /**
   * What the client was told when the request became unreadable while it came; to its sender, it
   * looks cut.
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
   * Has the request fail for its body: at once if that is on its way already, and else as soon as
   * it is wanted.
   */
  refuseBody(reason: ProxyError): void {
    this.#bodyRefusal = reason
    this.#onBodyRefused?.(reason)
  }

  /**
   * Tells of a refusal that comes while the body is wanted: one listener at a time, null for none.
   */
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
