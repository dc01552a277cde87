import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { loadSettings } from '../../src/config/load.ts'
import { openConnections } from '../../src/forward/connections.ts'

/** Searches and tokens went through a proxy that HTTP_PROXY named, uploads did not. */
t.test('HTTP_PROXY alone is no way to Google, for neither transport', async (t) => {
  const google = createTcpServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  const proxy = createServer().listen(0, '127.0.0.1')
  const reached = { google: 0, proxy: 0 }
  google.on('connection', () => {
    reached.google += 1
  })
  proxy.on('connection', (socket) => {
    reached.proxy += 1
    socket.destroy()
  })
  await Promise.all([once(google, 'listening'), once(proxy, 'listening')])
  t.teardown(() => google.close())
  t.teardown(() => proxy.close())
  const environment = { HTTP_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }
  const folder = t.testdir({
    'o.json': JSON.stringify({
      GoogleCloudPlatform: {
        Accounts: {
          a: { Project: 'demo-project', Location: 'us', Dataset: 'd', DicomStore: 's', ApplicationDefault: true },
        },
      },
    }),
  })
  const { outgoing } = await loadSettings({
    path: join(folder, 'o.json'),
    environment,
    workingDirectory: folder,
    homeDirectory: folder,
  })
  const connections = openConnections(outgoing)
  t.teardown(() => connections.close())
  const origin = `https://127.0.0.1:${(google.address() as AddressInfo).port}`
  await t.rejects(connections.fetch(origin))
  t.same(reached, { google: 1, proxy: 0 })
  t.same(
    (connections.agentFor(new URL('https://healthcare.invalid')) as unknown as { options: { proxyEnv?: unknown } })
      .options.proxyEnv,
    undefined,
  )
})
