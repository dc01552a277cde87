import type { IncomingMessage } from 'node:http'

/** How long (ms) a client may go on sending a body that nobody wants, once it has its answer. */
const patience = 30_000

/**
 * Reads on and throws away what the client still sends after its answer. Closing the connection instead would reset it,
 * and the client, busy sending, would lose the answer unread (RFC 9112 9.6).
 */
export function discardUnread(request: IncomingMessage): void {
  // Complete is not enough: what has arrived but was not read would keep the connection from its next request.
  if (request.readableEnded || request.destroyed) return
  const timer = setTimeout(() => request.destroy(), patience)
  request.once('close', () => clearTimeout(timer))
  request.resume()
}
