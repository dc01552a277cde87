import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { peerOf } from './peer.ts'
import { registerTcpSocket } from './reset-response.ts'

/** Follows the handshakes of a server that speaks TLS. Tells of a socket whether its own is over. */
export function followHandshakes(server: Server): (socket: Socket) => boolean {
  const pending = new Map<string, Socket>()
  const over = new WeakSet<Socket>()
  server.on('connection', (tcp: Socket) => {
    const peer = peerOf(tcp)
    pending.set(peer, tcp)
    tcp.once('close', () => pending.delete(peer))
  })
  server.on('secureConnection', (tls: Socket) => {
    const peer = peerOf(tls)
    const tcp = pending.get(peer)
    if (tcp) registerTcpSocket(tcp, tls)
    pending.delete(peer)
    over.add(tls)
  })
  return (socket) => over.has(socket)
}
