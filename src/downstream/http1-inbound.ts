import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Inbound } from './inbound.ts'
import { drainRequest } from './lingering-close.ts'

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

/** Over HTTP/1.1: the connection is the request's and the response's alone. */
export class Http1Inbound extends Inbound {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly #tcp: Socket

  /** @param tcp what carries the connection: the socket itself, or the one beneath TLS */
  constructor(request: IncomingMessage, response: ServerResponse, tcp: Socket) {
    super()
    this.request = request
    this.response = response
    this.#tcp = tcp
  }

  get body(): IncomingMessage {
    return this.request
  }

  /** Of the response's connection, those of TLS included. */
  get bytesFlushed(): number {
    if (!this.response.socket) return 0
    const { _handle: handle } = this.#tcp as Socket & { _handle?: TcpHandle | null }
    return handle ? handle.bytesWritten - handle.writeQueueSize : 0
  }

  get isFlushed(): boolean {
    return this.response.socket?.writableLength === 0
  }

  reset(): void {
    resetResponse(this.response, this.#tcp)
  }

  drain(isUnauthenticated: boolean): void {
    drainRequest(this, isUnauthenticated)
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
