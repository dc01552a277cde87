import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { currentResponse } from './current-response.ts'
import { peerOf } from './peer.ts'

/**
 * Makes closing a server spare the answers that are still on their way. Node takes a connection for idle as soon as the
 * end of its answer was written, though a slow client may have most of it still to come, and destroys it. One that is
 * still busy with its TLS handshake is idle, too.
 */
export function closeOnlyIdleConnections(server: Server): void {
  /** By the peer: what comes over TLS has two sockets, of which the outer one has the answers, and knows how to end in order. */
  const open = new Map<string, Socket>()
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket)
    open.set(peer, socket)
    socket.once('close', () => open.delete(peer))
  })
  server.on('secureConnection', (socket: Socket) => open.set(peerOf(socket), socket))
  server.closeIdleConnections = () => {
    for (const socket of open.values()) if (!currentResponse(socket)) socket.destroySoon()
  }
}
