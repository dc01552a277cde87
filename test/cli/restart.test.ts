import { once } from 'node:events'
import { constants } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { type ClientHttp2Stream, connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { whyNotReplaceable } from '../../src/cli/serve/service-manager.ts'
import { multipart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { eventually } from '../helpers/eventually.ts'
import { exited, isRunning, noteNotifications, search, skip, startProxy, startUpload } from '../helpers/restarts.ts'

/** Searches one after another, and over the agent's connection, until told to end. */
function searchOn(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const found: Awaited<ReturnType<typeof search>>[] = []
  let goesOn = true
  const loop = async (agent?: Agent) => {
    while (goesOn) {
      found.push(await search(url, agent))
      await delay(5)
    }
  }
  const loops = Promise.all([loop(), loop(agent)])
  return async () => {
    goesOn = false
    await loops
    agent.destroy()
    return found
  }
}

t.test('two restarts in the middle of an upload: nothing is refused, cut, or recorded twice', { skip }, async (t) => {
  const { child, of, url, adminUrl, audit, restart } = await startProxy(t)
  const upload = startUpload(url)
  upload.send(0.3)
  const endSearches = searchOn(url)
  const second = await restart()
  t.equal((await fetch(`${adminUrl}/readyz`)).status, 200, 'it is ready at once')
  upload.send(0.6)
  const third = await restart(second)
  t.equal((await fetch(`${adminUrl}/readyz`)).status, 200)
  t.ok(isRunning(child.pid ?? 0), 'the first one waits for the upload')
  await eventually('the second one has ended: nothing was left to do', () => !isRunning(second))
  await eventually('the third knows it', () => of('the predecessor has ended').length > 0)
  if (process.platform === 'linux') {
    const [, flags = ''] = /flags:\s*(\d+)/.exec(await readFile(`/proc/${third}/fdinfo/1`, 'utf8')) ?? []
    t.ok(Number.parseInt(flags, 8) & constants.O_NONBLOCK, 'a log that nobody reads stops nobody')
  }
  const searches = await endSearches()
  const { status, content } = await upload.end()
  t.equal(status, 200)
  t.equal(content['00081199']?.Value.length, 4, 'every instance is stored')
  t.equal(await exited(child), 0)
  const last = of('stopped; the successor serves').at(-1)
  t.ok(Number(last?.requests) >= 1, 'the last line counts what the metrics of the successor lack')
  t.equal(last?.failed, 0)
  t.same([...new Set(searches.map(({ status }) => status))], [200], 'every search got its response')
  const slowest = Math.max(...searches.map(({ took }) => took))
  t.ok(slowest < 2_000, `none waited for a restart; the slowest took ${Math.round(slowest)} ms`)
  const requested = searches.length + 1
  await eventually('the log is whole', () => of('request').length >= requested)
  t.equal(new Set(of('request').map(({ requestId }) => requestId)).size, requested)
  t.equal(of('request').length, requested)
  const records = (await audit()).filter(({ requestId }) => requestId)
  t.equal(records.length, requested)
  t.equal(new Set(records.map(({ requestId }) => requestId)).size, requested)

  process.kill(third, 'SIGTERM')
  await eventually('it ends', () => of('stopped').length === 1 && !isRunning(third))
  t.match(await search(url), { status: /ECONNREFUSED/ })
  t.equal((await audit()).filter(({ audit }) => audit === 'start').length, 3)
  t.equal((await audit()).filter(({ audit }) => audit === 'stop').length, 3)
})

t.test('a successor that gets not ready: the proxy serves on, and says why', { skip }, async (t) => {
  const systemd = await noteNotifications(t)
  const { emulator, child, output, of, url, restart, successors, configure } = await startProxy(t, systemd.env)
  const failures = () => of('restart failed; this process goes on serving')
  await t.test('an invalid configuration', async (t) => {
    await configure({ Acounts: {} })
    child.kill('SIGUSR2')
    await eventually('it fails', () => failures().length === 1)
    t.match(failures()[0]?.reason, /Acounts.*did you mean Accounts/s)
    t.equal((await search(url)).status, 200)
    await configure()
  })

  await t.test('no token, where this process has one', async (t) => {
    t.teardown(emulator.faults.add({ target: 'token', status: 400 }))
    child.kill('SIGUSR2')
    await eventually('it fails', () => failures().length === 2)
    t.match(failures()[1]?.reason, /It got no access token for google/)
    t.equal((await search(url)).status, 200)
  })

  await t.test('a service manager that can not be told', async (t) => {
    await systemd.refuse()
    child.kill('SIGUSR2')
    await eventually('it fails', () => failures().length === 3)
    t.match(failures()[2]?.reason, /systemd-notify failed: not accepted/)
    t.equal((await search(url)).status, 200)
    await systemd.accept()
  })

  await t.test('and a later one succeeds', async (t) => {
    const pid = await restart()
    await eventually('systemd is told', async () => (await systemd.notes()).length === 2)
    t.same(await systemd.notes(), ['READY=1', `MAINPID=${pid}`])
    t.equal(await exited(child), 0)
    t.equal((await search(url)).status, 200)
    process.kill(pid, 'SIGTERM')
    await eventually('they have ended', () => successors().every((pid) => !isRunning(pid)), 20_000)
    t.notMatch(output(), /Unexpected failure|Warning/)
  })
})

t.test('SIGTERM during a restart ends both', { skip }, async (t) => {
  const { emulator, child, of, url, successors, audit } = await startProxy(t)
  emulator.faults.add({ target: 'token', hang: true })
  child.kill('SIGUSR2')
  const starts = async () => (await audit()).filter(({ audit }) => audit === 'start').length
  await eventually('the successor has begun', async () => (await starts()) === 2)
  child.kill('SIGTERM')
  t.equal(await exited(child), 143)
  t.equal(of('restart failed; this process goes on serving').length, 0)
  t.same(successors().map(isRunning), [false])
  t.match(await search(url), { status: /ECONNREFUSED/ })
})

t.test('SIGTERM after a restart ends what is left to do, and the successor serves on', { skip }, async (t) => {
  const { child, of, url, restart } = await startProxy(t)
  const upload = startUpload(url)
  upload.send(0.5)
  const pid = await restart()
  child.kill('SIGTERM')
  await eventually(
    'it ends',
    () => of('shutting down; requests in flight may finish, new ones are rejected').length === 1,
  )
  t.equal((await search(url)).status, 200)
  t.equal((await upload.end()).status, 200, 'within the grace')
  t.equal(await exited(child), 143)
  process.kill(pid, 'SIGTERM')
})

t.test('TLS and HTTP/2: without its files it is refused; with them, a stream is finished', { skip }, async (t) => {
  const { authority: ca, cert, key } = makeCertificate()
  const folder = await mkdtemp(join(tmpdir(), 'restart-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [Certificate, Key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await writeFile(Certificate, cert)
  await writeFile(Key, key)
  const { child, of, url, restart } = await startProxy(t, {}, { settings: { Tls: { Certificate, Key, Http2: true } } })
  const { origin, pathname } = new URL(url)
  const open = () => {
    const session = connect(origin, { ca, servername: 'localhost' })
    t.teardown(() => session.destroy())
    return session
  }
  const status = async (stream: ClientHttp2Stream) => {
    const [headers] = await once(stream, 'response')
    await once(stream.resume(), 'close')
    return headers[':status']
  }
  await rm(Key)
  child.kill('SIGUSR2')
  await eventually('it is refused', () => of('restart failed; this process goes on serving').length === 1)
  t.match(of('restart failed; this process goes on serving')[0]?.reason, /Tls\.Key.*does not exist/s)
  await writeFile(Key, key)

  const { contentType, chunks } = multipart(syntheticStudy({ instances: 4 }), 'test-boundary')
  const body = Buffer.concat([...chunks])
  const upload = { ':method': 'POST', ':path': `${pathname}studies`, 'content-type': contentType }
  const stream = open().request({ ...upload, accept: 'application/dicom+json' })
  const responded = status(stream)
  stream.write(body.subarray(0, 1000))
  const successor = await restart()
  t.equal(await status(open().request({ ':path': `${pathname}studies` })), 200, 'of the successor')
  stream.end(body.subarray(1000))
  t.equal(await responded, 200, 'of the predecessor')
  t.equal(await exited(child), 0)
  process.kill(successor, 'SIGTERM')
})

t.test('a restart that would end the service is refused', async (t) => {
  t.match(whyNotReplaceable({ pid: 1, env: {} }), /first process of a container.*replace the container/)
  t.match(whyNotReplaceable({ pid: 7, env: { SYSTEMD_EXEC_PID: '7' } }), /set Type=notify and NotifyAccess=all/)
  t.equal(whyNotReplaceable({ pid: 7, env: { SYSTEMD_EXEC_PID: '7', NOTIFY_SOCKET: '/run/notify' } }), null)
  t.equal(whyNotReplaceable({ pid: 7, env: { SYSTEMD_EXEC_PID: '6' } }), null, 'of the shell that started it')
})
