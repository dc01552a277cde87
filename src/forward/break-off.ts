import type { ServerResponse } from 'node:http'

/**
 * Ends an answer that can't be completed. The connection is reset, not closed: to a client that takes the end of the
 * connection for the end of the body (HTTP/1.0, RFC 9112 6.3), a closed one would make the part look whole.
 */
export function breakOff(response: ServerResponse): void {
  const { socket } = response
  // A TLS connection can't be reset from here; it ends without the notice that a whole one ends with (RFC 8446 6.1).
  if (socket && !('encrypted' in socket)) socket.resetAndDestroy()
  response.destroy()
}
