import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Http1Inbound, resetResponse } from './http1-inbound.ts'
import { isHttp2 } from './http2-connections.ts'

/** A client's connection. */
interface Connection {
  readonly tcp: Socket
  /** The socket of the requests and responses: with TLS, not the TCP socket. */
  socket: Socket
  /** The response to the latest request. */
  inbound: Http1Inbound | null
  /** Data that arrive on it are ignored from now on. */
  isRejected: boolean
}

/**
 * The open connections of a listener, and the order in which they end. Created before its
 * connections are limited.
 */
export class Sockets {
  /**
   * The connections by the peer's address and port, which are the same for a TLS socket and for the
   * TCP socket beneath it.
   */
  readonly #open = new Map<string, Connection>()
  readonly #isTls: boolean
  readonly #secured = new WeakSet<Socket>()

  constructor(server: Server, isTls: boolean) {
    this.#isTls = isTls
    server.on('connection', (tcp: Socket) => this.#add({ tcp, socket: tcp, inbound: null, isRejected: false }))
    server.on('secureConnection', (socket: Socket) => {
      this.#secured.add(socket)
      const tcp = this.#of(socket)?.tcp ?? socket
      this.#add({ tcp, socket, inbound: null, isRejected: false })
    })
    this.#spareResponses(server)
  }

  /** Whether its TLS handshake is over, where there is one. */
  isReady(socket: Socket): boolean {
    return !this.#isTls || this.#secured.has(socket)
  }

  /** A request that has come. */
  accept(request: IncomingMessage, response: ServerResponse): Http1Inbound {
    const connection = this.#of(request.socket)
    const inbound = new Http1Inbound(request, response, this.tcpOf(request.socket))
    if (connection) connection.inbound = inbound
    return inbound
  }

  /** What carries a connection. */
  tcpOf(socket: Socket): Socket {
    return this.#of(socket)?.tcp ?? socket
  }

  /** The request that is arriving on a connection; null when none is. */
  arriving(socket: Socket): Http1Inbound | null {
    const inbound = this.#of(socket)?.inbound
    return inbound?.response === currentResponse(socket) ? inbound : null
  }

  /**
   * Whether the client was told that its data can't be read: what still comes only causes more
   * errors.
   */
  isRejected(socket: Socket): boolean {
    return this.#of(socket)?.isRejected ?? false
  }

  reject(socket: Socket): void {
    const connection = this.#of(socket)
    if (connection) connection.isRejected = true
  }

  /**
   * Ends a connection: at once, by a reset in the middle of a response, but after a response that
   * is complete here.
   */
  closeAfterCompleteResponse(socket: Socket): void {
    const response = currentResponse(socket)
    if (response?.writableEnded) socket.destroySoon()
    else if (response?.headersSent) this.#reset(response, socket)
    else socket.destroy()
  }

  #of(socket: Socket): Connection | undefined {
    return this.#open.get(peerOf(socket))
  }

  #add(connection: Connection): void {
    const { socket } = connection
    const peer = peerOf(socket)
    this.#open.set(peer, connection)
    socket.once('close', () => {
      if (this.#open.get(peer) === connection) this.#open.delete(peer)
    })
    socket.prependListener('end', () => this.#resetWhenHalfClosed(socket))
  }

  /**
   * Node considers a connection idle as soon as the end of its response was written, though a slow
   * client may have most of it still to come, and destroys it. It also considers one idle that is
   * busy with its TLS handshake. And it closes connections in order in the middle of a response: if
   * the end of the connection is that of the response (HTTP/1.0), the part would look whole.
   */
  #spareResponses(server: Server): void {
    server.closeIdleConnections = () => {
      for (const { socket } of this.#open.values()) {
        if (!isHttp2(socket) && !currentResponse(socket)) socket.destroySoon()
      }
    }
    const closeAll = server.closeAllConnections.bind(server)
    server.closeAllConnections = () => {
      for (const { socket } of this.#open.values()) {
        const response = currentResponse(socket)
        if (response?.headersSent && !response.writableFinished) this.#reset(response, socket)
      }
      closeAll()
    }
  }

  /**
   * A client that ends its side of the connection counts as one that leaves: the two can't be told
   * apart.
   */
  #resetWhenHalfClosed(socket: Socket): void {
    const response = currentResponse(socket)
    // A response that is complete here still goes out, and then the connection ends.
    if (response?.headersSent && !response.writableEnded) this.#reset(response, socket)
  }

  #reset(response: ServerResponse, socket: Socket): void {
    resetResponse(response, this.tcpOf(socket))
  }
}

/** The response that a connection is busy with; Node's own handler looks at the same place. */
export function currentResponse(socket: Socket): ServerResponse | null {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? null
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
