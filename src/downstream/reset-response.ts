import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The TCP connections beneath TLS ones: a TLS connection itself can't be reset. */
const beneath = new WeakMap<Socket, Socket>()

/** To be told of each TLS connection by whoever accepts it, so that it can be broken off. */
export function registerTcpSocket(tcp: Socket, tls: Socket): void {
  beneath.set(tls, tcp)
}

/** The TCP connection that carries this one, or itself. */
export function tcpOf(socket: Socket): Socket {
  return beneath.get(socket) ?? socket
}

/**
 * Ends an answer that can't be completed. The connection is reset, not closed: to a client that takes the end of the
 * connection for the end of the body (HTTP/1.0, RFC 9112 6.3), a closed one would make the part look whole. The notice
 * that a whole TLS connection ends with (RFC 8446 6.1) is missing then, too, but many clients don't miss it.
 */
export function resetResponse(response: ServerResponse): void {
  const { socket } = response
  const tcp = socket && tcpOf(socket)
  if (tcp && !('encrypted' in tcp)) tcp.resetAndDestroy()
  response.destroy()
}
