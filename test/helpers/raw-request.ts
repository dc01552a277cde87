import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'

/**
 * Sends bytes over a bare TCP connection, and returns every byte that comes back until the other
 * side closes: for requests that no HTTP client would write. A `Connection: close` in the request
 * spares the wait for the server's keep-alive timeout.
 */
export async function rawRequest(
  url: string | URL,
  bytes: string | Buffer,
  { timeout = 10_000 } = {},
): Promise<Buffer> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  // The stream's own timeout counts idle time only.
  const timer = setTimeout(() => socket.destroy(new Error(`The connection still stood after ${timeout} ms`)), timeout)
  try {
    socket.write(bytes)
    return await buffer(socket)
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}
