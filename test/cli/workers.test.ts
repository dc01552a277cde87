import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, renameSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent, createServer } from 'node:http'
import { connect as connectPlain, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { type Test, test } from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { basic, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { ask, beginUpload, isThere, startServing } from './several-workers.ts'

test('several workers are one proxy, also when some of them are killed', async (t) => {
  const { child, url, requests, said, status, metrics, pids, allServe } = await startServing(t)
  t.strictSame(await askTimes(20, `${url}studies`), all(20, 200))
  await eventually('all are in the log', () => requests().length === 20)
  for (const worker of [1, 2]) {
    t.equal(requests().filter((line) => line.worker === worker).length, 10, 'each had its half')
    const command = readFileSync(`/proc/${pids(worker)[0]}/cmdline`, 'utf8').split('\0')
    t.ok(command.includes('--max-semi-space-size=2'), 'by the same options of Node')
  }
  t.equal(said(/access token fetched/).length, 2, 'a token for each')
  const before = await status()
  t.strictSame(before.workers, { wanted: 2, serving: 2, restarts: 0 })
  t.equal(before.accounts[0]?.requests['QIDO-RS']?.succeeded, 20)
  const text = await metrics()
  t.match(text, /requests_total\{account="google",service="QIDO-RS",route="\/studies",status="200",layer=""\} 20\n/)
  t.match(text, /token_refreshes_total\{account="google"\} 2\n/)
  t.match(text, /upstream_requests_limit\{account="google",service="STOW-RS"\} 64\n/)
  t.match(text, /build_info\{[^}]*\} 1\n/)
  for (const process of ['primary', 'worker 1', 'worker 2']) {
    t.match(text, new RegExp(`process_resident_memory_bytes\\{process="${process}"\\} \\d`))
  }
  t.equal(text.match(/^# TYPE process_resident_memory_bytes /gm)?.length, 1)

  t.comment('one is killed')
  const uploads = [beginUpload(url), beginUpload(url)]
  const ends = uploads.map(({ status }) => status.catch((error: NodeJS.ErrnoException) => error.code))
  await eventually('one is under way in each', async () => (await status()).accounts[0]?.underWay.count === 2)
  process.kill(pids(1)[0] ?? 0, 'SIGKILL')
  t.equal(await Promise.race(ends), 'ECONNRESET', 'what was under way in it is cut')
  // The kernel ends its connections before it tells the primary; until then, a connection may still be handed to it.
  await eventually('the primary knows', () => said(/a worker process has ended/).length === 1)
  t.strictSame(await askTimes(4, `${url}studies`), all(4, 200), 'the other one serves')
  for (const { finish } of uploads) finish()
  t.strictSame((await Promise.all(ends)).sort(), [200, 'ECONNRESET'])
  await allServe(1)
  t.match(said(/a worker process has ended/), [{ level: 'error', worker: 1, signal: 'SIGKILL', underWay: 1 }])
  const after = await status()
  t.match(after.accounts[0]?.requests['STOW-RS'], { succeeded: 1, cut: 1 })
  t.match(after.accounts[0]?.failures[0], { cutBy: 'proxy', layer: 'proxy', detail: /process .* has ended/ })
  t.match(await metrics(), /_worker_restarts_total 1\n/)
  t.match(await metrics(), /requests_total\{[^}]*service="QIDO-RS"[^}]*\} 24\n/, 'nothing is forgotten')

  t.comment('one is killed that was just being handed a connection')
  const stopped = pids(2)[0] ?? 0
  process.kill(stopped, 'SIGSTOP')
  const handed = [connectTo(t, url), connectTo(t, url)]
  await Promise.race(handed.map(answerOrEnd))
  process.kill(stopped, 'SIGKILL')
  await Promise.all(handed.map(answerOrEnd))
  t.equal(handed.filter(({ bytesRead }) => bytesRead === 0).length, 1, 'its client is not left without an end')
  await allServe(2)

  t.comment('all are killed')
  for (const worker of [1, 2]) process.kill(pids(worker).at(-1) ?? 0, 'SIGKILL')
  await allServe(4)
  t.strictSame(await askTimes(4, `${url}studies`), all(4, 200), 'at the same address')

  t.comment('all processes get SIGTERM at once')
  const last = [beginUpload(url), beginUpload(url)]
  await eventually('they are under way', async () => (await status()).accounts[0]?.underWay.count === 2)
  for (const pid of [child.pid, pids(1).at(-1), pids(2).at(-1)]) process.kill(pid ?? 0, 'SIGTERM')
  await eventually('it is told to end', () => said(/shutting down/).length === 1)
  await eventually('nothing new begins', () =>
    ask(`${url}studies`).then(
      () => false,
      () => true,
    ),
  )
  for (const { finish } of last) finish()
  t.strictSame(await Promise.all(last.map(({ status }) => status)), [200, 200])
  t.equal(await ended(child), 143)
  t.equal(said(/^ended$/).length, 1)
  t.equal(said(/a worker process has ended/).length, 4)
})

test('a new configuration, and new clients, reach every worker, also one that starts later', async (t) => {
  const entry = (name: string, ...accounts: string[]) => ({
    PasswordHash: hashOf(name),
    Accounts: Object.fromEntries(accounts.map((account) => [account, ['QIDO-RS']])),
  })
  const ClientsFile = join(t.testdir({ 'clients.json': JSON.stringify({ c: entry('c', 'google') }) }), 'clients.json')
  const Limits = { FailedLogins: 4 }
  const proxy = { Clients: { a: entry('a', 'google'), b: entry('b', 'google') }, ClientsFile, Limits }
  const { child, url, requests, said, configure, pids, allServe } = await startServing(t, { proxy })
  const more = url.replace('google', 'more')
  const agents = [1, 2].map(() => new Agent({ keepAlive: true, maxSockets: 1 }))
  t.teardown(() => {
    for (const agent of agents) agent.destroy()
  })
  const askAll = (name: string) => Promise.all(agents.map((agent) => ask(`${url}studies`, basic(name, name), agent)))
  t.strictSame([await askAll('a'), await askAll('b'), await askAll('c')], [all(2, 200), all(2, 200), all(2, 200)])
  await eventually('all are in the log', () => requests().length === 6)
  t.equal(new Set(requests().map(({ worker }) => worker)).size, 2, 'a connection to each')

  await configure({
    proxy: { Clients: { a: entry('a', 'google', 'more') }, ClientsFile, Limits, Workers: 3 },
    more: ['more'],
  })
  child.kill('SIGHUP')
  await eventually('it is in force', () => said(/it is in force/).length === 1)
  t.strictSame([await askAll('a'), await askAll('b')], [all(2, 200), all(2, 401)])
  t.strictSame(await askTimes(8, `${more}studies`, basic('a', 'a')), all(8, 200))
  await eventually('it is told', () => said(/only a restart/).length === 1)
  t.match(said(/only a restart/), [{ keys: ['DicomWebProxy.Workers'] }])

  await writeFile(ClientsFile, JSON.stringify({ d: entry('d', 'google') }))
  await eventually('it was read again', () => said(/ClientsFile read again/).length === 1)
  await eventually('no worker lets it in', async () => !(await askAll('c')).includes(200))

  process.kill(pids(2)[0] ?? 0, 'SIGKILL')
  await allServe(1)
  t.strictSame(await askTimes(4, `${more}studies`, basic('a', 'a')), all(4, 200))

  t.comment('who guesses has no more tries than at one process')
  const statuses: number[] = []
  const agent = new Agent({ localAddress: '127.0.0.2' })
  for (let tries = 0; tries < 10; tries += 1) {
    statuses.push(await ask(`${url}studies`, { ...basic('a', `guess ${tries}`), connection: 'close' }, agent))
  }
  t.equal(statuses.at(-1), 429)
  // The news of the last one that was free may come a moment after the next try.
  t.ok(statuses.filter((status) => status === 401).length <= Limits.FailedLogins + 1, `${statuses}`)
  const askedAt = new Set(
    requests()
      .slice(-10)
      .map(({ worker }) => worker),
  )
  t.equal(askedAt.size, 2, 'at both of them')
})

test('the audit trail has each request once, in whole lines, over a rotation and the end of any process', async (t) => {
  const file = join(t.testdir(), 'audit.jsonl')
  const proxy = { Audit: { File: file, Required: true } }
  const { child, url, requests, pids, status, allServe } = await startServing(t, { proxy })
  const before = await askTimes(60, `${url}studies`)
  // Who is killed while it works on a request has no record of it.
  await eventually('all are recorded', async () => (await recordsOf(file)).length === 61)
  renameSync(file, `${file}.1`)
  process.kill(pids(1)[0] ?? 0, 'SIGKILL')
  await allServe(1)
  const after = await askTimes(60, `${url}studies`)
  t.strictSame([...before, ...after], all(120, 200))
  t.strictSame((await status()).audit, { available: true, lost: 0 })
  await eventually('all are in the log', () => requests().length === 120)

  t.comment('the primary is killed')
  const upload = beginUpload(url)
  await eventually('it is under way', async () => (await status()).accounts[0]?.underWay.count === 1)
  child.kill('SIGKILL')
  await eventually('the address is free', () =>
    ask(`${url}studies`).then(
      () => false,
      () => true,
    ),
  )
  upload.finish()
  t.equal(await upload.status, 200, 'what was under way finishes')
  await eventually('the workers have ended', () => [...pids(1), ...pids(2)].every((pid) => !isThere(pid)))

  const records = [...(await recordsOf(`${file}.1`)), ...(await recordsOf(file))]
  t.equal(records.filter(({ audit }) => audit === 'start').length, 1, 'of the proxy as a whole')
  const searches = records.filter(({ service }) => service === 'QIDO-RS').map(({ requestId }) => requestId)
  const logged = requests().map(({ requestId }) => requestId)
  t.strictSame(searches.toSorted(), logged.toSorted())
  t.match(
    records.filter(({ service }) => service === 'STOW-RS'),
    [{ outcome: 'succeeded', instancesStored: 1 }],
  )
})

test('TLS with another certificate while it runs; no trail, no request; and what outlasts the grace is cut', async (t) => {
  const [first, second] = [makeCertificate(), makeCertificate()]
  const folder = t.testdir({ 'server.pem': first.cert, 'server.key': first.key })
  const [Certificate, Key] = ['server.pem', 'server.key'].map((name) => join(folder, name))
  const proxy = { Tls: { Certificate, Key }, AllowedNetworks: ['127.0.0.1'], ShutdownGrace: 1 }
  const { child, url, said, configure, status } = await startServing(t, { proxy })
  t.match(url, /^https:/)
  t.strictSame(await certificatesOf(url, 4), all(4, fingerprint(first.cert)))
  for (const from of ['127.0.0.2', '127.0.0.2']) await t.rejects(handshake(url, from), { code: 'ECONNRESET' })
  const open = await Promise.all([handshake(url), handshake(url)])
  await Promise.all([writeFile(Key ?? '', second.key), writeFile(Certificate ?? '', second.cert)])
  await eventually('it was read again', () => said(/TLS files read again/).length === 1)
  t.strictSame(await certificatesOf(url, 4), all(4, fingerprint(second.cert)))

  for (const socket of open) socket.write(searchOf())
  for (const socket of open) t.match(String(await once(socket, 'data')), /^HTTP\/1.1 200/, 'those that are open stay')
  await configure({ proxy: { ...proxy, Audit: { File: '/dev/full', Required: true } } })
  child.kill('SIGHUP')
  await eventually('it is in force', () => said(/it is in force/).length === 1)
  await eventually('nothing is let through that cannot be recorded', async () => {
    for (const socket of open) socket.write(searchOf())
    const answers = await Promise.all(open.map((socket) => once(socket, 'data')))
    return answers.every((answer) => /audit-unavailable/.test(String(answer)))
  })
  await configure({ proxy })
  child.kill('SIGHUP')
  await eventually('it is in force', () => said(/it is in force/).length === 2)

  const uploadHead = 'POST /google/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nContent-Type: '
  for (const socket of open)
    socket.write(`${uploadHead}multipart/related; type="application/dicom"; boundary=b\r\n\r\n--b`)
  await eventually('they are under way', async () => (await status()).accounts[0]?.underWay.count === 2)
  const closed = open.map((socket) => once(socket, 'close'))
  child.kill('SIGTERM')
  await Promise.all(closed)
  t.equal(await ended(child), 1)
  t.match(said(/after the grace were cut/), [{ cut: 2 }])
})

test('what keeps one process from starting keeps several from it, in the same words', async (t) => {
  const taken = new URL(await listenOn(t, createServer())).host
  const nowhere = join(t.testdir(), 'no', 'audit.jsonl')
  for (const proxy of [{ Listen: taken }, { Audit: { File: nowhere } }]) {
    const [one, several] = await Promise.all([endOf(t, { ...proxy, Workers: 1 }), endOf(t, { ...proxy, Workers: 2 })])
    t.equal(one.code, 1)
    t.match(one.words, [/^Can't (listen on|write) /])
    t.strictSame(several, one)
  }
  const alone = startProgram(t, ['worker'])
  t.equal(await ended(alone.child), 2)
  t.equal(alone.output(), 'worker is a part of serve, which starts it.\n')
})

/** How the program ended, and what it said on standard error. */
async function endOf(t: Test, proxy: object) {
  const account = { Project: 'p', Location: 'l', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'missing.json' }
  const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: null, ...proxy }
  const content = JSON.stringify({ GoogleCloudPlatform: { Accounts: { a: account } }, DicomWebProxy })
  const folder = await mkdtemp(join(tmpdir(), 'workers-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'orthanc.json')
  await writeFile(path, content)
  const { child, output } = startProgram(t, ['--config', path])
  const code = await ended(child)
  const lines = output().trim().split('\n')
  return { code, words: lines.filter((line) => !line.startsWith('{')) }
}

/** Two at a time, each on a connection of its own: these go to the workers in turn. */
async function askTimes(times: number, url: string, headers: Record<string, string> = {}): Promise<number[]> {
  const statuses: number[] = []
  while (statuses.length < times) statuses.push(...(await Promise.all([ask(url, headers), ask(url, headers)])))
  return statuses
}

function all<Value>(times: number, value: Value): Value[] {
  return Array(times).fill(value)
}

/** A connection over which a search was sent. */
function connectTo(t: Test, url: string): Socket {
  const socket = connectPlain({ host: '127.0.0.1', port: Number(new URL(url).port) })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(searchOf())
  return socket
}

async function answerOrEnd(socket: Socket): Promise<void> {
  if (socket.bytesRead > 0 || socket.destroyed) return
  await new Promise((resolve) => {
    for (const event of ['data', 'close']) socket.once(event, resolve)
  })
}

/** Each throws where a line is not whole. */
async function recordsOf(file: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(file, 'utf8')).split('\n')
  if (lines.pop() !== '') throw new Error('The last line is not whole')
  return lines.map((line) => JSON.parse(line))
}

function searchOf(): string {
  return 'GET /google/studies HTTP/1.1\r\nHost: localhost\r\n\r\n'
}

function fingerprint(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256
}

/** What so many new connections are shown. */
async function certificatesOf(url: string, times: number): Promise<(string | undefined)[]> {
  const sockets = await Promise.all(all(times, url).map((each) => handshake(each)))
  const shown = sockets.map((socket) => socket.getPeerX509Certificate()?.fingerprint256)
  for (const socket of sockets) socket.destroy()
  return shown
}

async function handshake(url: string, localAddress = '127.0.0.1'): Promise<TLSSocket> {
  const where = { host: '127.0.0.1', port: Number(new URL(url).port), localAddress }
  const socket = connect({ ...where, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  return socket
}
