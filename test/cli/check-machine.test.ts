import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { type Test, test } from 'tap'
import { checkAuditFile } from '../../src/cli/check/audit.ts'
import { type Checked, runChecks } from '../../src/cli/check/check.ts'
import { Checklist } from '../../src/cli/check/checklist.ts'
import { silent } from '../../src/cli/check/report.ts'
import { loadSettings } from '../../src/config/load.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import { Harness } from '../check/harness.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { hashOf } from '../helpers/clients.ts'
import { listenOn } from '../helpers/listen.ts'

/** A user without rights of his own. */
const nobody = 65_534

async function harnessOf(t: Test): Promise<Harness> {
  const harness = await Harness.open()
  t.teardown(() => harness.close())
  return harness
}

const contextOf = ({ folder }: Harness) => ({ environment: {}, workingDirectory: folder, homeDirectory: folder })

async function checked(harness: Harness, proxy: object): Promise<Checked> {
  const config = await harness.configuration({ proxy: { ...proxy } })
  return runChecks([], { config }, silent, contextOf(harness))
}

const lineOf = ({ results }: Checked, title: string) => {
  const { status, detail, failure } = results.find((result) => result.title === title) ?? {}
  return { status, detail, code: failure?.code }
}

async function started(harness: Harness, proxy: object) {
  const lines: string[] = []
  const path = await harness.configuration({ proxy: { ...proxy } })
  const logger = createLogger({ verbose: false, destination: { write: (line) => lines.push(line) } })
  const running = await startProxy(await loadSettings({ path, ...contextOf(harness) }), { logger })
  harness.teardown(() => running.close())
  return { config: path, lines }
}

test('whether the proxy runs: none, this one, with a login, over TLS', async (t) => {
  const harness = await harnessOf(t)
  const [Listen, AdminListen] = [await harness.closedPort(), await harness.closedPort()]
  const none = await checked(harness, { Listen, AdminListen })
  t.same(lineOf(none, 'Admin listener'), {
    status: 'skipped',
    detail: `not running: nothing listens on ${AdminListen}`,
    code: undefined,
  })
  t.same(lineOf(none, 'Address of my-google').status, 'skipped')

  const { cert, key } = makeCertificate()
  const Tls = { Certificate: await harness.write('cert.pem', cert), Key: await harness.write('key.pem', key) }
  const Clients = { one: { PasswordHash: hashOf('a long password'), Accounts: { 'my-google': ['QIDO-RS'] } } }
  const proxy = { Listen, AdminListen, Tls, Clients }
  await started(harness, proxy)
  const own = await checked(harness, proxy)
  t.match(lineOf(own, 'Admin listener'), { status: 'ok', detail: `runs, and responds on ${AdminListen}` })
  t.match(lineOf(own, 'Address of my-google'), {
    status: 'ok',
    detail: `responds on ${Listen}, and requires a login`,
  })
  t.match(lineOf(own, 'Certificate of the proxy'), {
    status: 'ok',
    detail: /^valid until .*; WARNING: only 0 more days/,
  })
})

test('the address of a wildcard listener is shown as it is configured; no request goes to Google for it', async (t) => {
  const harness = await harnessOf(t)
  const port = (await harness.closedPort()).split(':')[1]
  const proxy = { Listen: `0.0.0.0:${port}`, AllowAnonymous: true }
  const { lines } = await started(harness, proxy)
  const { results } = await checked(harness, proxy)
  const detail = results.find(({ title }) => title === 'Address of my-google')?.detail
  t.equal(detail, `responds on 0.0.0.0:${port}`)
  const known = new Set([`0.0.0.0:${port}`, new URL(harness.emulator.baseUrl).host])
  const shown = [...JSON.stringify(results).matchAll(/\d+\.\d+\.\d+\.\d+:\d+|localhost:\d+/g)].map(
    ([address]) => address,
  )
  t.same(
    shown.filter((address) => !known.has(address)),
    [],
    'no other address than those of the configuration',
  )
  const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
  t.same(
    requests.map(({ code, attempts }) => [code, attempts]),
    [['not-dicomweb', 0]],
  )
})

test('a running proxy that lacks one of the accounts: its reload was rejected, or it is an old one', async (t) => {
  const harness = await harnessOf(t)
  const proxy = { Listen: await harness.closedPort(), AdminListen: await harness.closedPort() }
  await started(harness, proxy)
  const store = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }
  const account = { ...store, ServiceAccountFile: harness.credentials.serviceAccountFile }
  const look = async (...names: readonly string[]) => {
    const Accounts = Object.fromEntries(['my-google', ...names].map((name) => [name, account]))
    const google = { Accounts }
    const config = await harness.configuration({ google, proxy })
    return lineOf(await runChecks([], { config }, silent, contextOf(harness)), 'Address of my-google')
  }
  t.match(await look(), { status: 'ok' })
  t.match(await look('new'), { status: 'failed', code: 'proxy-other', detail: /has no account new,/ })
  t.match(await look('new', 'other'), { status: 'failed', detail: /has no account new, other,/ })
})

test('the audit trail’s file: there, not yet there, and not for this user', async (t) => {
  const harness = await harnessOf(t)
  const look = async (file: string) => lineOf(await checked(harness, { Audit: { File: file } }), 'Audit trail')
  const isRoot = process.geteuid?.() === 0
  // As the service's user, to whom its folder belongs.
  if (isRoot) await chown(harness.folder, nobody, nobody)
  t.match(await look(`${harness.folder}/audit.log`), { status: 'ok', detail: /audit\.log can be written/ })
  const file = await harness.write('audit.log', 'a record\n')
  if (isRoot) await chown(file, nobody, nobody)
  t.match(await look(file), { status: 'ok' })
  t.match(await look('/dev/null'), { status: 'ok' })
  if (!isRoot) return
  // What belongs to root, seen by another user, as the service would be.
  await chown(file, 0, 0)
  const list = new Checklist(silent)
  process.seteuid?.(nobody)
  try {
    await checkAuditFile(list, file)
  } finally {
    process.seteuid?.(0)
  }
  t.match(list.results, [{ status: 'failed', failure: { code: 'audit-denied', remedy: /^Give it to the user/ } }])
})

// Root may write everything, so its own attempt said nothing about the service.
const onlyRoot = { skip: process.geteuid?.() !== 0 && 'only root sees with the eyes of others' }
test('the audit trail’s file, as root: whom it belongs to can write it, or not', onlyRoot, async (t) => {
  const harness = await harnessOf(t)
  const folder = join(harness.folder, 'audit')
  const file = join(folder, 'audit.log')
  const look = async () => lineOf(await checked(harness, { Audit: { File: file } }), 'Audit trail')
  await chmod(harness.folder, 0o755)
  await mkdir(folder, { mode: 0o750 })
  t.match(await look(), { status: 'skipped', detail: /^nobody but root may write .*audit: run this check as the user/ })
  await chown(folder, nobody, nobody)
  t.match(await look(), { status: 'ok', detail: /audit\.log can be written by (nobody|user 65534), who owns .*audit$/ })
  await chmod(folder, 0o550)
  t.match(await look(), { status: 'failed', code: 'audit-denied' })
  await chmod(folder, 0o750)
  await chmod(harness.folder, 0o700)
  t.match(await look(), { status: 'failed', code: 'audit-denied' }, 'does not come as far as the folder')
  await chmod(harness.folder, 0o755)
  await writeFile(file, '', { mode: 0o600 })
  t.match(await look(), { status: 'skipped', detail: /audit\.log: run/ }, 'left by a start as root')
  await chown(file, nobody, nobody)
  t.match(await look(), { status: 'ok' })
  await chmod(file, 0o400)
  t.match(await look(), { status: 'failed', code: 'audit-denied', detail: /^(nobody|user 65534), who owns .* may not/ })
  await chmod(file, 0o600)
  await chmod(harness.folder, 0o700)
  t.match(await look(), { status: 'failed', code: 'audit-denied' }, 'does not come as far as the file')
  await chmod(file, 0o666)
  await chown(file, 0, 0)
  t.match(await look(), { status: 'ok', detail: /written by root, as whom this check runs; run it as the user/ })
  t.same([process.geteuid?.(), process.getegid?.()], [0, 0])
})

// A file that can't be written keeps every failed upload from being sent again, with a line in the log.
test('the file that remembers failed jobs: its folder is there, and the service may write it', async (t) => {
  const harness = await harnessOf(t)
  const folder = join(harness.folder, 'state')
  const StateFile = join(folder, 'failed-jobs.json')
  const Orthanc = { Url: `http://${await harness.closedPort()}`, ResubmitFailedJobs: { StateFile } }
  const config = await harness.configuration({ proxy: { Orthanc } })
  const look = async () =>
    lineOf(await runChecks([], { config, offline: true }, silent, contextOf(harness)), 'File of failed jobs')
  t.match(await look(), { status: 'failed', code: 'state-file', detail: /^The folder .*state .* does not exist/ })
  await chmod(harness.folder, 0o755)
  await mkdir(folder, { mode: 0o700 })
  if (process.geteuid?.() !== 0) return t.match(await look(), { status: 'ok' })
  t.match(await look(), { status: 'skipped', detail: /^nobody but root may write .*state: run this check as the user/ })
  await chown(folder, nobody, nobody)
  t.match(await look(), { status: 'ok', detail: /failed-jobs\.json can be written by (nobody|user 65534), who owns/ })
  await writeFile(StateFile, '{}', { mode: 0o600 })
  t.match(await look(), { status: 'failed', code: 'state-file', detail: /may not read .*failed-jobs\.json/ })
  await chown(StateFile, nobody, nobody)
  t.match(await look(), { status: 'ok' })
  await chmod(folder, 0o500)
  t.match(await look(), { status: 'failed', code: 'state-file', detail: /may not write .*state,/ })
})

test('a repository that accepts TLS, and one that is silent', async (t) => {
  const harness = await harnessOf(t)
  const { cert, key, authority } = makeCertificate()
  const open = createTlsServer({ cert, key }, (socket) => socket.on('error', () => undefined).resume())
  const CACertificates = await harness.write('repository.pem', authority)
  const { host } = new URL(await listenOn(harness, open))
  const look = async (Server: string) =>
    lineOf(await checked(harness, { Audit: { Syslog: { Server, CACertificates } } }), `Audit repository ${Server}`)
  t.match(await look(host), { status: 'ok', detail: /whether it stores records, syslog does not say/ })
  const deaf = createServer((socket) => socket.on('error', () => undefined).destroy())
  t.match(await look(new URL(await listenOn(harness, deaf)).host), { status: 'failed', code: 'audit-refused' })
})

// The advice was chmod 600: a service that reads the file by its group, as that of the Debian
// package does, could not read it any more. On Windows every file looks like that.
test('a credential file that everyone may read', async (t) => {
  const harness = await harnessOf(t)
  const file = harness.credentials.serviceAccountFile
  const config = await harness.configuration()
  const look = async (mode: number) => {
    await chmod(file, mode)
    const found = await runChecks([], { config, offline: true }, silent, contextOf(harness))
    return lineOf(found, 'Credential of my-google').detail ?? ''
  }
  t.ok((await look(0o644)).endsWith(`everyone on this machine can read it: chmod o-rwx ${file}`))
  t.notMatch(await look(0o640), /chmod/)
  const { platform } = process
  t.teardown(() => Object.defineProperty(process, 'platform', { value: platform }))
  Object.defineProperty(process, 'platform', { value: 'win32' })
  t.notMatch(await look(0o644), /chmod/)
})
