import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { currentResponse } from './current-response.ts'
import { resetResponse } from './reset-response.ts'

/**
 * Resets connections that Node would end in order in the middle of an answer. Where the end of the connection is that of
 * the answer (HTTP/1.0), the part would look whole.
 */
export function resetTruncatedResponses(server: Server): void {
  const open = new Set<Socket>()
  const watch = (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    socket.prependListener('end', () => resetWhenHalfClosed(socket))
  }
  server.on('connection', watch)
  server.on('secureConnection', watch)
  const closeAll = server.closeAllConnections.bind(server)
  server.closeAllConnections = () => {
    for (const socket of open) resetUnlessWritten(socket)
    closeAll()
  }
}

/** A client that ends its side of the connection counts as one that leaves: the two can't be told apart. */
function resetWhenHalfClosed(socket: Socket): void {
  const response = currentResponse(socket)
  // One that is complete here still goes out, and the end of the connection after it.
  if (response?.headersSent && !response.writableEnded) resetResponse(response)
}

/** Ends a connection: at once, and in the middle of an answer by a reset, but behind one that is complete here. */
export function closeAfterCompleteResponse(socket: Socket): void {
  const response = currentResponse(socket)
  if (response?.writableEnded) socket.destroySoon()
  else if (response?.headersSent) resetResponse(response)
  else socket.destroy()
}

function resetUnlessWritten(socket: Socket): void {
  const response = currentResponse(socket)
  if (response?.headersSent && !response.writableFinished) resetResponse(response)
}
