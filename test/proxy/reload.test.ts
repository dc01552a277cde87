import { mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test, test } from 'tap'
import type { Status } from '../../src/admin/status.ts'
import { eventually } from '../helpers/eventually.ts'
import { ended, startProgram } from '../helpers/program.ts'

// Each test has a program of its own, and waits most of the time.
t.jobs = 4

const account = { Project: 'p', Location: 'l', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'missing.json' }

function configuration(names: readonly string[], more: object = {}): string {
  const Accounts = Object.fromEntries(names.map((name) => [name, account]))
  const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0', ...more }
  return JSON.stringify({ GoogleCloudPlatform: { Accounts }, DicomWebProxy })
}

/** The program, once it serves. */
async function started(t: Test, path: string) {
  const { child, output } = startProgram(t, ['--config', path])
  const lines = () =>
    output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const said = (message: RegExp) => lines().filter(({ msg }) => message.test(String(msg)))
  await eventually('it serves', () => said(/^admin listener/).length === 1)
  const ask = (path: string) => fetch(`${said(/^admin listener/)[0]?.url}${path}`)
  const status = async () => (await (await ask('/api/status')).json()) as Pick<Status, 'accounts' | 'configuration'>
  const names = async () => (await status()).accounts.map(({ name }) => name)
  const metric = async (name: string) => {
    const text = await (await ask('/metrics')).text()
    return Number(new RegExp(`^gcp_dicomweb_proxy_${name} (.*)$`, 'm').exec(text)?.[1])
  }
  return {
    child,
    said,
    names,
    status,
    metric,
    inForce: (times: number) => eventually('it is in force', () => said(/applies from the next/).length === times),
  }
}

test('SIGHUP, and a file that is rewritten or replaced', async (t) => {
  const path = join(t.testdir({ 'orthanc.json': configuration(['a']) }), 'orthanc.json')
  const { child, said, names, inForce } = await started(t, path)
  child.kill('SIGHUP')
  await eventually('it was read', () => said(/nothing changed/).length === 1)

  await writeFile(path, configuration(['a', 'b']))
  child.kill('SIGHUP')
  await inForce(1)
  t.match(said(/applies from the next/)[0], {
    level: 'info',
    trigger: 'SIGHUP',
    added: ['b'],
    removed: [],
    changed: [],
  })
  t.match(said(/DICOMweb server/).at(-1), { account: 'b', url: /\/b\/$/ })
  t.same(await names(), ['a', 'b'])
  await eventually('the change on disk is noticed, too, and is none', () => said(/nothing changed/).length === 2)

  await writeFile(path, configuration(['b', 'c']))
  await inForce(2)
  t.match(said(/applies from the next/)[1], { trigger: 'its files have changed', added: ['c'], removed: ['a'] })

  await writeFile(`${path}~`, configuration(['d']))
  await rename(`${path}~`, path)
  await inForce(3)
  t.same(await names(), ['d'])

  await writeFile(path, configuration(['d'], { Listen: '127.0.0.1:1', DeletionWait: 7 }))
  child.kill('SIGHUP')
  await inForce(4)
  t.match(said(/only after a restart/), [{ level: 'warn', keys: ['DicomWebProxy.Listen'] }])
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)
})

test('an invalid configuration is rejected, each of its problems is logged, and nothing changes', async (t) => {
  const path = join(t.testdir({ 'orthanc.json': configuration(['a']) }), 'orthanc.json')
  const { child, said, names, status, metric, inForce } = await started(t, path)
  const loadedAt = await metric('config_last_reload_success_timestamp_seconds')
  t.equal(await metric('config_last_reload_successful'), 1)
  const rejected = () => said(/configuration rejected; keeping the current one/)
  // The file is read at the signal, and once more when the watch has seen the change: on a busy
  // machine before the next.
  const atSignal = () => rejected().filter(({ trigger }) => trigger === 'SIGHUP')
  const isTold = (text: RegExp) => rejected().some(({ problem }) => text.test(String(problem)))
  await writeFile(path, configuration(['a', 'b'], { Retry: { TotalTimeout: -1 }, Lisen: 'x' }))
  child.kill('SIGHUP')
  await eventually('it is refused', () => atSignal().length === 2)
  t.match(atSignal(), [
    { level: 'error', file: path, path: 'DicomWebProxy.Lisen', problem: 'is not known', remedy: /did you mean Listen/ },
    { level: 'error', file: path, path: 'DicomWebProxy.Retry.TotalTimeout' },
  ])
  t.same(await names(), ['a'])
  t.equal(await metric('config_last_reload_successful'), 0)
  t.equal(await metric('config_last_reload_success_timestamp_seconds'), loadedAt)
  t.match((await status()).configuration.rejected, [
    { source: 'configuration', problems: [/Lisen: is not known; did you mean Listen/, /TotalTimeout/] },
  ])
  await writeFile(path, '{ "GoogleCloudPlatform": {')
  child.kill('SIGHUP')
  await eventually('it is refused', () => atSignal().length === 3)
  t.match(atSignal().at(-1), { problem: /not valid JSON/ })
  await unlink(path)
  await eventually('it is refused', () => isTold(/does not exist/))
  t.match(rejected().at(-1), { trigger: 'its files have changed', problem: /does not exist/ })
  await writeFile(path, configuration(['a'], { Audit: { File: '/nowhere/at/all.jsonl' } }))
  await eventually('it is refused', () => isTold(/Audit\.File/))
  t.match(rejected().at(-1), { problem: /Audit\.File/ })
  t.same(await names(), ['a'])
  await writeFile(path, configuration(['a', 'b']))
  await inForce(1)
  t.same(await names(), ['a', 'b'])
  t.equal(await metric('config_last_reload_successful'), 1)
  t.ok((await metric('config_last_reload_success_timestamp_seconds')) > loadedAt)
  t.same((await status()).configuration.rejected, [])
})

test('a folder, whose files come and go', async (t) => {
  const accounts = (names: readonly string[]) =>
    JSON.stringify({ GoogleCloudPlatform: { Accounts: Object.fromEntries(names.map((name) => [name, account])) } })
  const listeners = (more: object) =>
    JSON.stringify({ DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0', ...more } })
  const folder = t.testdir({ 'accounts.json': accounts(['a']), 'proxy.json': listeners({}) })
  const { said, names, inForce } = await started(t, folder)
  await writeFile(join(folder, 'verbose.json'), '{ "HttpVerbose": true }')
  await inForce(1)
  await rename(join(folder, 'accounts.json'), join(folder, 'stores.json'))
  await eventually('nothing changed', () => said(/nothing changed/).length === 1)
  await writeFile(join(folder, 'stores.json'), accounts(['a', 'b']))
  await inForce(2)
  t.same(await names(), ['a', 'b'])
})

// A ConfigMap's files are links to links: `orthanc.json` -> `..data/orthanc.json`, and `..data` is
// swapped as a whole.
test('what Kubernetes mounts', async (t) => {
  const folder = t.testdir()
  const write = async (version: string, names: readonly string[]) => {
    await mkdir(join(folder, version))
    await writeFile(join(folder, version, 'orthanc.json'), configuration(names))
    await symlink(version, join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  await write('..2026_01', ['a'])
  await symlink('..data/orthanc.json', join(folder, 'orthanc.json'))
  const { names, inForce } = await started(t, folder)
  await write('..2026_02', ['a', 'b'])
  await inForce(1)
  t.same(await names(), ['a', 'b'])
})
