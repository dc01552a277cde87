import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { peerOf } from './peer.ts'

/**
 * Makes closing a server spare the answers that are still on their way. Node takes a connection for idle as soon as the
 * end of its answer was written, though a slow client may have most of it still to come, and destroys it. One that is
 * still busy with its TLS handshake is idle, too.
 */
export function closeOnlyIdleConnections(server: Server): void {
  /** By the peer: what comes over TLS has two sockets, of which the outer one knows how to end in order. */
  const open = new Map<string, Socket>()
  const busy = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket)
    open.set(peer, socket)
    socket.once('close', () => {
      open.delete(peer)
      busy.delete(peer)
    })
  })
  server.on('secureConnection', (socket: Socket) => open.set(peerOf(socket), socket))
  server.prependListener('request', (_request, response: ServerResponse) => {
    const peer = peerOf(response.req.socket)
    busy.set(peer, (busy.get(peer) ?? 0) + 1)
    response.once('close', () => {
      const others = (busy.get(peer) ?? 1) - 1
      if (others > 0) busy.set(peer, others)
      else busy.delete(peer)
    })
  })
  server.closeIdleConnections = () => {
    for (const [peer, socket] of open) if (!busy.has(peer)) socket.destroySoon()
  }
}
