import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Makes closing a server spare the answers that are still on their way. Node takes a connection for idle as soon as the
 * end of its answer was written, though a slow client may have most of it still to come, and destroys it.
 */
export function closeOnlyIdleConnections(server: Server): void {
  const open = new Set<Socket>()
  const busy = new Map<Socket, number>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      busy.delete(socket)
    })
  })
  server.prependListener('request', (_request, response: ServerResponse) => {
    const { socket } = response.req
    busy.set(socket, (busy.get(socket) ?? 0) + 1)
    response.once('close', () => {
      const others = (busy.get(socket) ?? 1) - 1
      if (others > 0) busy.set(socket, others)
      else busy.delete(socket)
    })
  })
  server.closeIdleConnections = () => {
    for (const socket of open) if (!busy.has(socket)) socket.destroySoon()
  }
}
