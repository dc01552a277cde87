import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { breakOff } from '../forward/break-off.ts'
import { answerUnderWay } from './answer-under-way.ts'

/**
 * Resets connections that Node would end in order in the middle of an answer. Where the end of the connection is that of
 * the answer (HTTP/1.0), the part would look whole.
 */
export function resetCutAnswers(server: Server): void {
  resetWhenHalfClosed(server)
  resetWhenAllClose(server)
}

/** A client that ends its side of the connection counts as one that leaves: the two can't be told apart. */
function resetWhenHalfClosed(server: Server): void {
  const watch = (socket: Socket) => {
    socket.prependListener('end', () => {
      const response = answerUnderWay(socket)
      // One that is complete here still goes out, and the end of the connection after it.
      if (response?.headersSent && !response.writableEnded) breakOff(response)
    })
  }
  server.on('connection', watch)
  server.on('secureConnection', watch)
}

function resetWhenAllClose(server: Server): void {
  const underWay = new Set<ServerResponse>()
  server.prependListener('request', (_request, response: ServerResponse) => {
    underWay.add(response)
    response.once('close', () => underWay.delete(response))
  })
  const closeAll = server.closeAllConnections.bind(server)
  server.closeAllConnections = () => {
    for (const response of underWay) if (response.headersSent && !response.writableFinished) breakOff(response)
    closeAll()
  }
}
