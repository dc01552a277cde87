import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { hashOf } from '../helpers/clients.ts'
import { listenOn } from '../helpers/listen.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { startServed } from '../helpers/served.ts'

async function probe(t: Test, args: readonly string[], env: Record<string, string> = {}) {
  const { child, output } = startProgram(t, ['health', ...args], env)
  return { code: await ended(child), output: output() }
}

/** A file that names the listener; with TLS, as the proxy's own does. */
async function configuration(t: Test, adminListen: string | null, more: object = {}): Promise<string> {
  const file = join(t.testdir({}), 'orthanc.json')
  await writeFile(file, JSON.stringify({ DicomWebProxy: { AdminListen: adminListen, ...more } }))
  return file
}

t.test('alive and ready', async (t) => {
  const { proxy } = await startServed(t)
  const { host } = new URL(proxy.adminUrl ?? '')
  const file = await configuration(t, host)
  for (const [args, env, said] of [
    [['--config', file], {}, 'alive\n'],
    [[], { GCP_DICOMWEB_PROXY_CONFIG: file }, 'alive\n'],
    // As in a container without configuration, whose proxy has its stores from the command line.
    [['--admin-listen', host], { GCP_DICOMWEB_PROXY_CONFIG: '' }, 'alive\n'],
    [['--config', file, '--ready'], {}, 'ready\n'],
    [['--config', file, '--account', 'google'], {}, 'ready\n'],
  ] as const) {
    t.same(await probe(t, args, env), { code: 0, output: said }, args.join(' '))
  }
})

t.test('alive, although the configuration has an error by now', async (t) => {
  const { proxy } = await startServed(t)
  const file = join(t.testdir({}), 'orthanc.json')
  const { host } = new URL(proxy.adminUrl ?? '')
  await writeFile(file, `{ "DicomWebProxy": { "AdminListen": "${host}" }, "GoogleCloudPlatform": { "Accounts": `)
  t.same(await probe(t, ['-c', file]), { code: 0, output: 'alive\n' })
})

t.test('not ready, and why', async (t) => {
  const { proxy } = await startServed(t, {
    accounts: () => ({
      bad: { Project: 'p', Location: 'l', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'none' },
    }),
  })
  const file = await configuration(t, new URL(proxy.adminUrl ?? '').host)
  t.match(await probe(t, ['-c', file, '--ready']), { code: 1, output: /\/readyz: not ready\nbad: .*none/ })
  t.match(await probe(t, ['-c', file, '--account', 'bad']), { code: 1, output: /account=bad: not ready\nbad: .*none/ })
  t.match(await probe(t, ['-c', file, '--account', 'google']), { code: 0 })
  t.match(await probe(t, ['-c', file, '--account', 'other']), { code: 1, output: /404, .*no account of the name/ })
  t.match(await probe(t, ['-c', file]), { code: 0 })
})

t.test('over TLS, with a certificate for another name, where other machines reach the listener', async (t) => {
  const { cert, key } = makeCertificate()
  const folder = t.testdir({ 'server.pem': cert, 'server.key': key })
  const Tls = { Certificate: join(folder, 'server.pem'), Key: join(folder, 'server.key') }
  const Clients = { operator: { PasswordHash: hashOf('correct horse battery'), Admin: true } }
  // Loopback, though nobody could tell by the name.
  const { proxy } = await startServed(t, { proxy: { Clients, Tls, AdminListen: '127.1:0' } })
  const { port, protocol } = new URL(proxy.adminUrl ?? '')
  t.equal(protocol, 'https:')
  const file = join(folder, 'orthanc.json')
  await writeFile(file, JSON.stringify({ DicomWebProxy: { AdminListen: `127.1:${port}`, Tls } }))
  t.same(await probe(t, ['-c', file]), { code: 0, output: 'alive\n' })
  t.same(await probe(t, ['-c', file, '--ready']), { code: 0, output: 'ready\n' })
  await writeFile(file, JSON.stringify({ DicomWebProxy: { AdminListen: `127.1:${port}` } }))
  t.match(await probe(t, ['-c', file]), { code: 1, output: /the connection was closed/ }, 'as if without TLS')
})

t.test('nothing, or something else, listens there', async (t) => {
  const other = createServer((_request, response) => response.end('<html>'))
  const elsewhere = await configuration(t, new URL(await listenOn(t, other)).host)
  t.match(await probe(t, ['-c', elsewhere]), { code: 1, output: /another program listens there/ })

  const closing = createTcpServer((socket) => socket.destroy())
  const { host } = new URL(await listenOn(t, closing))
  const file = await configuration(t, host)
  t.match(await probe(t, ['-c', file]), { code: 1, output: /connection was closed.*AllowedNetworks/ })
  await new Promise((resolve) => closing.close(resolve))
  t.match(await probe(t, ['-c', file]), {
    code: 1,
    output: `http://${host}/healthz: nothing listens there. Start the proxy, or correct AdminListen.\n`,
  })
  t.match(await probe(t, ['-c', 'missing', '--admin-listen', host]), {
    code: 2,
    output: /nothing listens there.*\nThe configuration can't be read:\nmissing: does not exist/,
  })
})

t.test('nothing to ask', async (t) => {
  t.match(await probe(t, ['-c', await configuration(t, null)]), { code: 2, output: /^AdminListen is null/ })
  t.match(await probe(t, ['--nonsense']), { code: 2 })
})
