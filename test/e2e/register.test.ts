import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { createServer as createTlsServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { freePort } from '../../src/orthanc/free-port.ts'
import type { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'
import { Stage } from '../check/stage.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { lastingOrthanc } from './lasting-orthanc.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Runs the command as a person would in a pipe. */
async function register(args: readonly string[], { environment = {}, input = '' } = {}) {
  const child = spawn(process.execPath, ['--disable-warning=DEP0060', main, 'register', ...args], {
    env: { PATH: process.env.PATH ?? '', ...environment },
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  return { stdout, stderr, code: child.exitCode }
}

async function stageOf(t: Test): Promise<Stage> {
  const stage = await Stage.open()
  t.teardown(() => stage.close())
  return stage
}

/** The proxy as a service, until the test ends. */
function serve(t: Test, config: string, environment: Record<string, string> = {}) {
  const { child, output } = startProgram(t, ['--config', config], environment)
  const lines = () =>
    output()
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
  return { child, lines, count: (message: string) => lines().filter(({ msg }) => msg === message).length }
}

/** Sends a new study through Orthanc's server, and looks whether Google has it. */
async function sends(t: Test, rest: OrthancRest, stage: Stage, seed: number): Promise<void> {
  const instances = [...syntheticStudy({ seed, instances: 2 })]
  const stored = await Promise.all(instances.map(({ bytes }) => rest.upload(bytes)))
  const job = await rest.stow('my-google', [stored[0]?.ParentStudy ?? ''])
  t.match(job, { state: 'Success' }, 'Orthanc sends through the registered server')
  const stow = stage.emulator.log.filter(
    ({ method, target }) => method === 'POST' && target.endsWith('/dicomWeb/studies'),
  )
  t.match(stow.at(-1), { status: 200, complete: true, headers: { 'transfer-encoding': 'chunked' } })
  const study = instances[0]?.studyInstanceUid ?? ''
  t.equal((await rest.qido('my-google', '/studies', { StudyInstanceUID: study })).length, 1)
}

t.test('twice: nothing changes the second time', needsOrthanc(), async (t) => {
  const stage = await stageOf(t)
  const Listen = `127.0.0.1:${await freePort()}`
  const config = await stage.configuration({ proxy: { Listen } })
  const other = { Url: 'http://127.0.0.1:9/other/' }
  const orthanc = await startOrthanc(t, { servers: { other } })
  const to = ['--config', config, '--orthanc', orthanc.url]

  const dry = await register([...to, '--dry-run'])
  t.equal(dry.code, 0)
  t.match(dry.stdout, /add my-google\n {4}Url: \(not set\) -> http:\/\/127\.0\.0\.1:\d+\/my-google\/\n/)
  t.match(dry.stdout, /Nothing was changed/)
  t.same(await orthanc.rest.servers(), ['other'])

  const first = await register(to)
  t.equal(first.code, 0)
  t.match(first.stdout, /^✓ Write my-google/m)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  t.notMatch(first.stdout, /[\x00-\x09\x0b-\x1f]/, 'plain in a pipe')
  const entries = await orthanc.rest.serverEntries()
  t.match(entries['my-google'], {
    Url: `http://${Listen}/my-google/`,
    HasDelete: '1',
    ChunkedTransfers: '1',
    Timeout: 600,
  })
  t.equal(entries.other?.Url, other.Url)

  const second = await register(to)
  t.equal(second.code, 0)
  t.match(
    second.stdout,
    /0 to add, 0 to change, 1 as they should be\n.*keep my-google\nNothing had to be changed\.\n$/s,
  )
  t.same(await orthanc.rest.serverEntries(), entries)

  serve(t, config)
  await eventually(
    'the proxy listens',
    async () => (await orthanc.rest.qido('my-google', '/studies').catch(() => null)) !== null,
  )
  await sends(t, orthanc.rest, stage, 1)
})

t.test('what is wrong is put right: an entry of the old plugin', needsOrthanc(), async (t) => {
  const stage = await stageOf(t)
  const config = await stage.configuration({ account: { Access: ['STOW-RS', 'QIDO-RS', 'WADO-RS'] } })
  const orthanc = await startOrthanc(t)
  await orthanc.rest.putServer('my-google', {
    Url: 'https://healthcare.example/v1beta1/dicomWeb/',
    HasDelete: '1',
    HttpHeaders: { Authorization: 'Bearer old' },
  })
  const { stdout, code } = await register(['-c', config, '--orthanc', orthanc.url, '--timeout', '1200'])
  t.equal(code, 0)
  t.match(stdout, /HttpHeaders: Authorization -> \(not set\)/)
  t.match((await orthanc.rest.serverEntries())['my-google'], {
    Url: 'http://127.0.0.1:8043/my-google/',
    HasDelete: '0',
    HttpHeaders: [],
    Timeout: 1200,
  })
  await t.rejects(orthanc.rest.deleteRemote('my-google', { study: '2.25.1' }), 'Orthanc offers no deletion')
})

t.test('clients, passwords, https, and a client’s rights', needsOrthanc(), async (t) => {
  const stage = await stageOf(t)
  const { authority, cert, key } = makeCertificate()
  const ca = await stage.write('orthanc-authority.pem', authority)
  const RegisteredUsers = { admin: 'orthanc pass:word' }
  const orthanc = await startOrthanc(t, { configuration: { AuthenticationEnabled: true, RegisteredUsers } })
  // Debian 12's Orthanc crashes at the first TLS connection, whatever its certificate: something else ends TLS for it.
  const { port } = new URL(orthanc.url)
  const front = createTlsServer({ cert, key }, (socket) => {
    const onward = connect(Number(port), '127.0.0.1')
    const end = () => {
      socket.destroy()
      onward.destroy()
    }
    for (const side of [socket, onward]) side.on('error', () => undefined).on('close', end)
    socket.pipe(onward).pipe(socket)
  })
  const url = await listenOn(t, front)
  const Listen = `127.0.0.1:${await freePort()}`
  const rights = { 'my-google': ['STOW-RS', 'QIDO-RS'] }
  const Clients = { radiology: { PasswordHash: hashOf('client password'), Accounts: rights } }
  const config = await stage.configuration({ proxy: { Listen, Clients } })
  const to = ['-c', config, '--orthanc', url, '--user', 'admin', '--orthanc-ca', ca, '--client', 'radiology']

  const wrong = await register(to, { input: 'orthanc pass:word\nanother password\n' })
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, /The client radiology has another password/)
  const none = await register(to)
  t.equal(none.code, 2)
  t.match(none.stderr, /The password of admin is missing/)

  const { stdout, stderr, code } = await register(to, { input: 'orthanc pass:word\nclient password\n' })
  t.equal(code, 0)
  t.notMatch(stdout + stderr, /pass:word|client password/)
  const entry = (await orthanc.rest.serverEntries())['my-google']
  t.match(entry, { Username: 'radiology', HasDelete: '0' })

  const environment = {
    GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD: 'orthanc pass:word',
    GCP_DICOMWEB_PROXY_CLIENT_PASSWORD: 'client password',
  }
  const again = await register(to, { environment })
  t.equal(again.code, 0)
  t.match(again.stdout, /its password, which Orthanc does not show, will be written again/)
  t.same((await orthanc.rest.serverEntries())['my-google'], entry)

  serve(t, config)
  await eventually(
    'the proxy listens',
    async () => (await orthanc.rest.qido('my-google', '/studies').catch(() => null)) !== null,
  )
  await sends(t, orthanc.rest, stage, 2)

  const unknown = await register(['-c', config, '--orthanc', url])
  t.equal(unknown.code, 7)
  t.match(unknown.stdout, /not trusted .*\n +→ .*--orthanc-ca/)
})

t.test('what --print says, a real Orthanc takes', needsOrthanc(), async (t) => {
  const stage = await stageOf(t)
  const Listen = `127.0.0.1:${await freePort()}`
  const Clients = {
    radiology: { PasswordHash: hashOf('client password'), Accounts: { 'my-google': ['STOW-RS', 'QIDO-RS'] } },
  }
  const config = await stage.configuration({ proxy: { Listen, Clients } })
  const { stdout, code } = await register(['-c', config, '--print', '--client', 'radiology'])
  t.equal(code, 0)
  t.notMatch(stdout, /client password/)
  const { DicomWeb } = JSON.parse(stdout)
  process.env.GCP_DICOMWEB_PROXY_CLIENT_PASSWORD = 'client password'
  t.teardown(() => delete process.env.GCP_DICOMWEB_PROXY_CLIENT_PASSWORD)
  const orthanc = await startOrthanc(t, { configuration: { DicomWeb } })
  serve(t, config)
  await eventually(
    'the proxy listens',
    async () => (await orthanc.rest.qido('my-google', '/studies').catch(() => null)) !== null,
  )
  await sends(t, orthanc.rest, stage, 3)
  const checked = await register(['-c', config, '--orthanc', orthanc.url, '--dry-run'])
  t.match(checked.stdout, /Warning: the proxy requires its clients to log in/)
})

t.test(
  'serve registers, also in an Orthanc that comes later, and again after its restart',
  needsOrthanc(),
  async (t) => {
    const stage = await stageOf(t)
    const [port, listenPort] = [await freePort(), await freePort()]
    const RegisteredUsers = { proxy: 'orthanc password' }
    const orthanc = lastingOrthanc(t, stage.folder, {
      port,
      configuration: { AuthenticationEnabled: true, RegisteredUsers },
      rest: { username: 'proxy', password: 'orthanc password' },
    })
    // biome-ignore lint/suspicious/noTemplateCurlyInString: replaced by the proxy
    const [Password, ClientPassword] = ['${ORTHANC_PASSWORD}', '${CLIENT_PASSWORD}']
    const Orthanc = { Url: orthanc.url, Username: 'proxy', Password, Client: 'radiology', ClientPassword, Interval: 1 }
    const rights = { 'my-google': ['STOW-RS', 'QIDO-RS', 'DELETE'] }
    const Clients = { radiology: { PasswordHash: hashOf('client password'), Accounts: rights } }
    const config = await stage.configuration({ proxy: { Listen: `127.0.0.1:${listenPort}`, Orthanc, Clients } })
    const proxy = serve(t, config, { ORTHANC_PASSWORD: 'orthanc password', CLIENT_PASSWORD: 'client password' })
    await eventually(
      'it can’t be reached, and that is told',
      () => proxy.count('registration in Orthanc failed; trying again') === 1,
    )
    const told = proxy.lines().find(({ msg }) => msg === 'registration in Orthanc failed; trying again')
    t.match(told, {
      level: 'warn',
      orthanc: orthanc.url,
      problem: /the connection was refused/,
      remedy: /Start Orthanc/,
    })

    await orthanc.start()
    await eventually('it is registered', () => proxy.count('registered in Orthanc') === 1)
    await sends(t, orthanc.rest, stage, 4)
    t.equal(proxy.count('registration in Orthanc failed; trying again'), 1, 'told once')

    await orthanc.stop()
    await eventually('its end is noticed', () => proxy.count('registration in Orthanc failed; trying again') === 2)
    await orthanc.start()
    await eventually('it is registered again', () => proxy.count('registered in Orthanc') === 2)
    await sends(t, orthanc.rest, stage, 5)

    await orthanc.rest.deleteServer('my-google')
    await eventually('and again, after somebody removed it', () => proxy.count('registered in Orthanc') === 3)
    proxy.child.kill('SIGTERM')
    t.equal(await ended(proxy.child), 143)
    t.notMatch(JSON.stringify(proxy.lines()), /orthanc password|client password/)
  },
)

t.test('serve says what keeps Orthanc out, and serves all the same', async (t) => {
  const stage = await stageOf(t)
  const port = await freePort()
  const Clients = { radiology: { PasswordHash: hashOf('client password'), Accounts: { 'my-google': ['QIDO-RS'] } } }
  const away = { Url: `http://${await stage.closedPort()}` }
  for (const [Orthanc, message] of [
    [away, 'Orthanc is registered without a login; set DicomWebProxy.Orthanc.Client'],
    [
      { ...away, Client: 'radiology', ClientPassword: 'a wrong secret' },
      'Orthanc cannot log in with DicomWebProxy.Orthanc.Client and ClientPassword',
    ],
  ] as const) {
    const config = await stage.configuration({ proxy: { Listen: `127.0.0.1:${port}`, Orthanc, Clients } })
    const proxy = serve(t, config)
    await eventually(message, () => proxy.count(message) === 1)
    t.equal((await fetch(`http://127.0.0.1:${port}/my-google/studies`)).status, 401)
    proxy.child.kill('SIGTERM')
    t.equal(await ended(proxy.child), 143)
    t.notMatch(JSON.stringify(proxy.lines()), /a wrong secret/)
  }
})

t.test('what the plugin keeps over a restart', needsOrthanc(), async (t) => {
  const stage = await stageOf(t)
  const config = await stage.configuration()
  for (const [ServersInDatabase, kept] of [
    [false, []],
    [true, ['my-google']],
  ] as const) {
    await t.test(`ServersInDatabase: ${ServersInDatabase}`, async (t) => {
      const folder = t.testdir()
      const orthanc = lastingOrthanc(t, folder, {
        port: await freePort(),
        configuration: { DicomWeb: { ServersInDatabase } },
      })
      await orthanc.start()
      t.equal((await register(['-c', config, '--orthanc', orthanc.url])).code, 0)
      t.same(await orthanc.rest.servers(), ['my-google'])
      const before = await orthanc.rest.serverEntries()
      await orthanc.stop()
      await orthanc.start()
      t.same(await orthanc.rest.servers(), kept)
      if (ServersInDatabase) t.same(await orthanc.rest.serverEntries(), before, 'whole')
    })
  }
})

t.test('usage', async (t) => {
  const stage = await stageOf(t)
  const config = await stage.configuration()
  const nowhere = await register(['-c', config])
  t.equal(nowhere.code, 2)
  t.match(nowhere.stderr, /Name an Orthanc/)
  const closed = `http://${await stage.closedPort()}`
  const away = await register(['-c', config, '--orthanc', closed])
  t.equal(away.code, 7)
  t.match(away.stdout, /✗ .*the connection was refused.*\n +→ Start Orthanc/)
  const remote = await register(['-c', config, '--orthanc', 'http://pacs.invalid:8042'])
  t.equal(remote.code, 2)
  t.match(remote.stderr, /--proxy-url URL: Orthanc is on another machine/)
  const plain = ['-c', config, '--orthanc', 'http://pacs.invalid:8042', '--user', 'u', '--proxy-url', 'http://h']
  const exposed = await register(plain, { input: 'secret\n' })
  t.equal(exposed.code, 7)
  t.match(exposed.stderr, /^Warning: .*passwords can be read on the way/)
  t.notMatch(exposed.stdout + exposed.stderr, /secret/)
  t.equal((await register(['-c', config, '--orthanc', closed, '--timeout', '0'])).code, 2)
  const named = await register(['-c', config, '--print', '--proxy-url', 'http://proxy:8043/'])
  t.match(JSON.parse(named.stdout).DicomWeb.Servers['my-google'], { Url: 'http://proxy:8043/my-google/' })
})
