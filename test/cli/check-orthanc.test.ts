import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { type Test, test } from 'tap'
import { runChecks } from '../../src/cli/check/check.ts'
import { silent } from '../../src/cli/check/report.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { httpTimeoutSeconds } from '../../src/orthanc/http-timeout.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import type { Broken } from '../check/harness.ts'
import { harnessOf, register } from '../e2e/registering.ts'
import { listenOn } from '../helpers/listen.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'

interface Given {
  readonly version?: string
  /** Path that a reverse proxy before Orthanc gives it. */
  readonly path?: string
  readonly entry?: object
  /** Null for an error. */
  readonly jobs?: readonly string[] | null
  readonly broken?: Broken
}

/** As much of Orthanc as `check` asks for, and a proxy at whose address nothing but 500 comes. */
async function checkFake(t: Test, { version = '1.12.7', path = '', entry = {}, jobs = ['gone'], broken = {} }: Given) {
  const harness = await harnessOf(t)
  const proxy = await listenOn(
    t,
    createServer((_, response) => response.writeHead(500).end()),
  )
  const Listen = new URL(proxy).host
  const found: Record<string, unknown> = {
    '/system': { Version: version },
    '/plugins/dicom-web': { Version: '1.20' },
    '/dicom-web/servers?expand': {
      'my-google': { Url: `${proxy}/my-google/`, HasDelete: '1', Timeout: 600, ...entry },
    },
    '/jobs': jobs,
  }
  const requests: (string | undefined)[] = []
  const orthanc = await listenOn(
    t,
    createServer(({ url = '' }, response) => {
      requests.push(url)
      const body = url.startsWith(path) ? found[url.slice(path.length)] : undefined
      const failure = { Message: 'Error in the network protocol' }
      const status = body ? 200 : url.includes('/jobs/') ? 404 : 500
      response.writeHead(status).end(JSON.stringify(body ?? failure))
    }),
  )
  const config = await harness.configuration({ ...broken, proxy: { Listen, ...broken.proxy } })
  const context = { environment: {}, workingDirectory: harness.folder, homeDirectory: harness.folder }
  const { results, warnings } = await runChecks([], { config, orthanc: `${orthanc}${path}` }, silent, context)
  const detailOf = (title: string) => results.find((result) => result.title === title)
  return { detailOf, warnings, requests }
}

// "HttpTimeout": 0 is no limit from Orthanc 1.13 on; check said that 60 s end every transfer.
test('HttpTimeout 0 by Orthanc’s version', async (t) => {
  for (const [version, status] of [
    ['1.12.10', 'failed'],
    ['1.13.0', 'ok'],
    ['mainline', 'ok'],
  ] as const) {
    const { detailOf } = await checkFake(t, { version, entry: { Timeout: 0 }, broken: { top: { HttpTimeout: 0 } } })
    t.match(detailOf('Time limit of my-google'), { status }, version)
  }
  t.equal(httpTimeoutSeconds(null, '1.13.0'), 60)
  t.equal(httpTimeoutSeconds(30_000, '1.13.0'), 30)
})

test('an entry that names another host: how to keep that', async (t) => {
  const { detailOf } = await checkFake(t, { entry: { Url: 'http://u:secret@proxy.example:1/my-google/?secret' } })
  const found = detailOf('Server my-google')
  t.match(found, { status: 'failed', failure: { remedy: /PublicUrl .*--proxy-url/ } })
  t.notMatch(JSON.stringify(found?.failure), /secret/)
})

// The advice named http://127.0.0.1:8044, not AdminListen, also where that is a wildcard address;
// and the proxy's log also where no request came.
test('a search that fails: where the reason is', async (t) => {
  const port = await freePort()
  for (const [proxy, where] of [
    [{ AdminListen: `127.0.0.1:${port}` }, `curl http://127.0.0.1:${port}/api/status`],
    [{ AdminListen: `0.0.0.0:${port}`, AllowAnonymous: true }, `status page (AdminListen 0.0.0.0:${port})`],
    [{ AdminListen: `[::]:${port}`, AllowAnonymous: true }, `status page (AdminListen [::]:${port})`],
    [{ AdminListen: null }, "in the proxy's log. If no request came there, read Orthanc's own log"],
  ] as const) {
    const { detailOf } = await checkFake(t, { broken: { proxy } })
    const { failure } = detailOf('Search through Orthanc') ?? {}
    t.equal(failure?.code, 'through-failed')
    t.ok(failure?.remedy.includes(where), where)
  }
})

// An HttpProxy in Orthanc's own file takes Orthanc's requests for the proxy, too; nothing said so.
test('HttpProxy in a file that Orthanc reads, too', async (t) => {
  const HttpProxy = `127.0.0.1:${await freePort()}`
  for (const [top, count] of [
    [{ HttpProxy, Plugins: ['/usr/lib/orthanc'] }, 1],
    [{ HttpProxy, DicomWeb: { Servers: {} } }, 1],
    [{ HttpProxy }, 0],
    [{ Plugins: ['/usr/lib/orthanc'] }, 0],
  ] as const) {
    const { warnings } = await checkFake(t, { broken: { top } })
    const about = warnings.filter((warning) => /Start Orthanc with no_proxy=127\.0\.0\.1 /.test(warning))
    t.equal(about.length, count, JSON.stringify(top))
  }
})

test('a real Orthanc sends to its HttpProxy, unless no_proxy names the proxy', needsOrthanc(), async (t) => {
  const received: (string | undefined)[] = []
  const take = (name: string) =>
    listenOn(
      t,
      createServer(({ url }, response) => {
        received.push(`${name} ${url}`)
        response.end('[]')
      }),
    )
  const [outgoing, proxy] = [await take('outgoing'), await take('proxy')]
  const configuration = { HttpProxy: new URL(outgoing).host }
  const servers = { 'my-google': { Url: `${proxy}/my-google/` } }
  for (const no_proxy of ['', '127.0.0.1']) {
    const { rest } = await startOrthanc(t, { configuration, servers, environment: { no_proxy, NO_PROXY: no_proxy } })
    t.same(await rest.qido('my-google', '/studies'), [])
  }
  t.same(received, [`outgoing ${proxy}/my-google/studies`, 'proxy /my-google/studies'])
})

test('register warns of it, too, unless a search shows that it works', needsOrthanc(), async (t) => {
  const harness = await harnessOf(t)
  const orthanc = await startOrthanc(t)
  const config = await harness.configuration({
    proxy: { Listen: `127.0.0.1:${await freePort()}` },
    top: { HttpProxy: '127.0.0.1:9', HttpPort: 8042 },
  })
  const { stdout, code } = await register(['-c', config, '--orthanc', orthanc.url])
  t.equal(code, 0)
  t.match(stdout, /^Warning: Orthanc reads HttpProxy .*no_proxy=127\.0\.0\.1/m)
})

test('a list of jobs that is not shown is no failure', async (t) => {
  const { detailOf } = await checkFake(t, { jobs: null })
  t.match(detailOf('Stopped uploads'), { status: 'skipped', detail: /can't be read/ })
})

// An address with a path, as reverse proxies have it, was "UND_ERR_INVALID_ARG".
test('an Orthanc behind a path', async (t) => {
  for (const path of ['/orthanc', '/a/b/']) {
    const { detailOf, requests } = await checkFake(t, { path: path.replace(/\/$/, '') })
    t.match(detailOf('DICOMweb servers'), { status: 'ok', detail: 'my-google' })
    t.match(detailOf('Stopped uploads'), { status: 'ok', detail: /^none/ }, 'also if a job is gone meanwhile')
    t.ok(requests.every((url) => url?.startsWith(path)))
  }
})

// Orthanc responds 401, never 403, to other machines; the advice named a login only, which can't
// help. To Orthanc, another address of this machine is another machine.
test('an Orthanc that admits only its own machine', needsOrthanc(), async (t) => {
  const harness = await harnessOf(t)
  const orthanc = await startOrthanc(t)
  const { port } = new URL(orthanc.url)
  const relay = createTcpServer((socket) => {
    const onward = connect({ port: Number(port), host: '127.0.0.1', localAddress: '127.0.0.2' })
    for (const side of [socket, onward]) side.on('error', () => undefined)
    socket.pipe(onward).pipe(socket)
  })
  const context = { environment: {}, workingDirectory: harness.folder, homeDirectory: harness.folder }
  const options = { config: await harness.configuration(), orthanc: await listenOn(t, relay) }
  const { results } = await runChecks([], options, silent, context)
  const { failure } = results.find(({ title }) => title === 'Orthanc') ?? {}
  t.match(failure, {
    code: 'orthanc-login',
    problem: /requires a login, rejects this one, or admits only its own machine \(401\)/,
    remedy: /^Log in .*RemoteAccessAllowed .*RegisteredUsers/,
  })
})

// Orthanc ends the upload of a paused or cancelled job as if it were whole.
test('paused and cancelled uploads', needsOrthanc(), async (t) => {
  const harness = await harnessOf(t)
  const never = await listenOn(
    t,
    createServer((request, response) => {
      if (request.method === 'GET') response.writeHead(500).end()
      else request.resume()
    }),
  )
  const Url = `${never}/my-google/`
  const orthanc = await startOrthanc(t, {
    servers: { 'my-google': { Url, Timeout: 600 }, other: { Url: `${never}/other/` } },
    configuration: { ConcurrentJobs: 1 },
  })
  const post = async (path: string, body: object = {}) => {
    const response = await fetch(`${orthanc.url}${path}`, { method: 'POST', body: JSON.stringify(body) })
    return (await response.json()) as { ID: string }
  }
  const [instance] = syntheticStudy({ instances: 1 })
  const { ParentStudy } = await orthanc.rest.upload(instance?.bytes ?? Buffer.alloc(0))
  const send = () => post('/dicom-web/servers/my-google/stow', { Resources: [ParentStudy], Synchronous: false })
  const options = {
    config: await harness.configuration({ proxy: { Listen: new URL(never).host } }),
    orthanc: orthanc.url,
  }
  const context = { environment: {}, workingDirectory: harness.folder, homeDirectory: harness.folder }
  await send()
  const [paused, cancelled] = [await send(), await send()]
  await post(`/jobs/${paused.ID}/pause`)
  await post(`/jobs/${cancelled.ID}/cancel`)
  const { results } = await runChecks([], options, silent, context)
  t.match(
    results.find(({ title }) => title === 'Stopped uploads'),
    { status: 'ok', detail: /^1 paused, 1 cancelled .*looks complete, but it is not.*Resume/ },
  )
})
