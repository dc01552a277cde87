import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import type { Test } from 'tap'

/**
 * Opens a server on a free loopback port until the test ends; returns its URL without a slash at
 * the end.
 */
export async function listenOn(t: Pick<Test, 'teardown'>, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => endServer(server))
  const { port } = server.address() as AddressInfo
  return `${server instanceof TlsServer ? 'https' : 'http'}://127.0.0.1:${port}`
}

async function endServer(server: Server & { closeAllConnections?: () => void }): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections?.()
  await closed
}
