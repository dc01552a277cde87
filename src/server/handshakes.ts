import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { carriedBy } from '../forward/break-off.ts'
import { peerOf } from './peer.ts'

/** Follows the handshakes of a server that speaks TLS. Tells of a socket whether its own is over. */
export function followHandshakes(server: Server): (socket: Socket) => boolean {
  const underWay = new Map<string, Socket>()
  const over = new WeakSet<Socket>()
  server.on('connection', (tcp: Socket) => {
    const peer = peerOf(tcp)
    underWay.set(peer, tcp)
    tcp.once('close', () => underWay.delete(peer))
  })
  server.on('secureConnection', (tls: Socket) => {
    const peer = peerOf(tls)
    const tcp = underWay.get(peer)
    if (tcp) carriedBy(tcp, tls)
    underWay.delete(peer)
    over.add(tls)
  })
  return (socket) => over.has(socket)
}
