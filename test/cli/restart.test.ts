import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent, get, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { whyNotReplaceable } from '../../src/cli/serve/service-manager.ts'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { multipart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { startProgram } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'

const skip = process.platform === 'win32' && 'Windows has no signals, and no sockets that can be inherited'

interface Line extends Record<string, unknown> {
  readonly msg: string
}

/** The program with an audit trail, and all of its successors. */
async function startProxy(t: Test, env: Record<string, string> = {}) {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const { serviceAccountFile } = await emulator.writeCredentials(folder)
  const file = join(folder, 'orthanc.json')
  const configure = (more: object = {}) => {
    const Accounts = { google: { ...demoAccount, ServiceAccountFile: serviceAccountFile } }
    const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0', Audit: { File: join(folder, 'audit') } }
    const { baseUrl: BaseUrl, tokenUrl: TokenUrl } = emulator
    return writeFile(
      file,
      JSON.stringify({ GoogleCloudPlatform: { BaseUrl, TokenUrl, Accounts, ...more }, DicomWebProxy }),
    )
  }
  await configure()
  const { child, output } = startProgram(t, ['--config', file], env)
  const lines = (): Line[] => {
    const whole = output().slice(0, output().lastIndexOf('\n') + 1)
    return whole.split('\n').flatMap((line) => (line.startsWith('{') ? JSON.parse(line) : []))
  }
  const of = (msg: string) => lines().filter((line) => line.msg === msg)
  const successors = () => of('restarting: a successor is started').map(({ successor }) => Number(successor))
  t.teardown(() => {
    for (const pid of successors()) if (isRunning(pid)) process.kill(pid, 'SIGKILL')
  })
  await eventually('it serves', () => of('admin listener').length > 0 && of('access token fetched').length > 0)
  const url = String(of('DICOMweb server for Orthanc')[0]?.url)
  const adminUrl = String(of('admin listener')[0]?.url)
  const audit = async () =>
    (await readFile(join(folder, 'audit'), 'utf8'))
      .trim()
      .split('\n')
      .map((line): Line => JSON.parse(line))
  /** Has the process of this number restart, and resolves with its successor's. */
  const restart = async (pid = child.pid ?? 0) => {
    const takeovers = () => of('took over; the predecessor finishes its open connections').length
    const before = takeovers()
    process.kill(pid, 'SIGUSR2')
    await eventually('a successor serves', () => takeovers() > before)
    return successors().at(-1) ?? 0
  }
  return { emulator, child, output, of, successors, url, adminUrl, audit, restart, configure }
}

/** The exit code; not at the end of its output, which its successors have, too. */
async function exited(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** The status, and how long (ms) it took. */
async function search(url: string, agent?: Agent): Promise<{ status: number | string; took: number }> {
  const began = performance.now()
  const status = await new Promise<number | string>((resolve) => {
    const asked = get(`${url}studies`, { agent: agent ?? false }, (response) => {
      response.resume().once('close', () => resolve(response.complete ? (response.statusCode ?? 0) : 'cut'))
    })
    asked.once('error', ({ message }) => resolve(message))
  })
  return { status, took: performance.now() - began }
}

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

/** An upload of one study whose body is sent piece by piece. */
function startUpload(url: string) {
  const { contentType, chunks } = multipart(syntheticStudy({ instances: 4 }), 'test-boundary')
  const body = Buffer.concat([...chunks])
  const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
  const sending = request(`${url}studies`, { method: 'POST', headers, agent: false })
  const responded = new Promise<IncomingMessage>((resolve, reject) =>
    sending.once('response', resolve).once('error', reject),
  )
  let sent = 0
  return {
    send(share: number) {
      const upTo = Math.round(body.length * share)
      sending.write(body.subarray(sent, upTo))
      sent = upTo
    },
    async end() {
      sending.end(body.subarray(sent))
      const response = await responded
      return { status: response.statusCode, content: (await json(response)) as Record<string, { Value: unknown[] }> }
    },
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

/** What the program finds as `systemd-notify`: it notes its arguments, or fails while told to. */
async function noteNotifications(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'notify-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [notes, refusal] = [join(folder, 'notes'), join(folder, 'refusal')]
  const script = `#!/bin/sh\nif [ -e ${refusal} ]; then echo 'not accepted' >&2; exit 1; fi\necho "$@" >> ${notes}\n`
  await writeFile(join(folder, 'systemd-notify'), script, { mode: 0o755 })
  return {
    env: { NOTIFY_SOCKET: join(folder, 'none'), PATH: `${folder}:${process.env.PATH}` },
    refuse: () => writeFile(refusal, ''),
    accept: () => rm(refusal),
    notes: async () => (await readFile(notes, 'utf8')).trim().split('\n'),
  }
}

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

t.test('a restart that would end the service is refused', async (t) => {
  t.match(whyNotReplaceable({ pid: 1, env: {} }), /first process of a container.*replace the container/)
  t.match(whyNotReplaceable({ pid: 7, env: { SYSTEMD_EXEC_PID: '7' } }), /set Type=notify and NotifyAccess=all/)
  t.equal(whyNotReplaceable({ pid: 7, env: { SYSTEMD_EXEC_PID: '7', NOTIFY_SOCKET: '/run/notify' } }), null)
  t.equal(whyNotReplaceable({ pid: 7, env: { SYSTEMD_EXEC_PID: '6' } }), null, 'of the shell that started it')
})
