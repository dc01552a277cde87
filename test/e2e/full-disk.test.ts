// A disk that is really full, and one that is really read-only: file systems in memory, which only
// the started program sees.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { compileCache, ended } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const mountTmpfs = ['-rm', 'sh', '-c', 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"', 'sh']
const works = spawnSync('unshare', [...mountTmpfs, 'size=64k', '/mnt', 'true']).status === 0
// Some kernels and containers don't let anybody have them.
const namespaces = works ? {} : { skip: 'needs user namespaces (unshare -rm)' }

/** Runs the program with a file system of its own at `place`. */
function startOn(t: Test, options: string, place: string, args: readonly string[]) {
  const command = [...mountTmpfs, options, place, process.execPath, '--disable-warning=DEP0060', main, ...args]
  const child = spawn('unshare', command, {
    env: { ...compileCache, PATH: process.env.PATH ?? '', HOME: place },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  return { child, output: () => output }
}

async function configured(t: Test) {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir({ log: {} })
  const { serviceAccountFile } = await emulator.writeCredentials(folder)
  const [listen, admin] = [await freePort(), await freePort()]
  const place = join(folder, 'log')
  const config = join(folder, 'orthanc.json')
  const content = {
    GoogleCloudPlatform: {
      BaseUrl: emulator.baseUrl,
      TokenUrl: emulator.tokenUrl,
      Accounts: { google: { ...demoAccount, ServiceAccountFile: serviceAccountFile } },
    },
    DicomWebProxy: {
      Listen: `127.0.0.1:${listen}`,
      AdminListen: `127.0.0.1:${admin}`,
      Audit: { File: join(place, 'audit.jsonl'), Required: true },
    },
  }
  await writeFile(config, JSON.stringify(content))
  return { place, config, url: `http://127.0.0.1:${listen}/google/studies`, adminUrl: `http://127.0.0.1:${admin}` }
}

const textOf = async (url: string) => (await fetch(url)).text()
/** Where this process sees what another has mounted. */
const seenBy = ({ pid }: ChildProcess, path: string) => `/proc/${pid}/root${path}`

t.test('a disk that fills up: nothing passes unrecorded, and no record is lost or cut', namespaces, async (t) => {
  const { place, config, url, adminUrl } = await configured(t)
  const { child, output } = startOn(t, 'size=32k', place, ['serve', '--config', config])
  const search = async () => (await fetch(url)).status
  await eventually('it serves', async () => (await fetch(url).catch(() => null))?.status === 200)
  // Leaves room for some records, and ends within one.
  await writeFile(seenBy(child, join(place, 'others.log')), Buffer.alloc(24 * 1024))
  let passed = 1
  while ((await search()) === 200) passed += 1
  t.ok(passed > 2, `${passed} passed before it was full`)
  t.equal(await search(), 503)
  const { allRefused, audit } = JSON.parse(await textOf(`${adminUrl}/api/status`))
  t.match(allRefused, /^Every request is refused with 503: the audit trail can’t be written/)
  t.match(audit, { available: false, lost: 0 })
  t.match(await textOf(`${adminUrl}/metrics`), /^gcp_dicomweb_proxy_audit_available 0$/m)
  t.match(output(), /"reason":"ENOSPC: no space left on device/)

  await rm(seenBy(child, join(place, 'others.log')))
  await eventually('it passes again', async () => (await search()) === 200)
  await eventually('it says so', () => /audit trail: recovered/.test(output()))
  const records = async () => {
    const text = await readFile(seenBy(child, join(place, 'audit.jsonl')), 'utf8')
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).status)
  }
  const withStatus = async (status: number) => (await records()).filter((one) => one === status).length
  await eventually('one of each search that passed', async () => (await withStatus(204)) === passed + 1)
  t.ok((await withStatus(503)) >= 2, 'and of those that were refused')
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)
})

t.test('check on a full disk, and on one that is read-only', namespaces, async (t) => {
  const { place, config } = await configured(t)
  const check = async (options: string) => {
    const { child, output } = startOn(t, options, place, ['check', '--offline', '--config', config])
    return { code: await ended(child), output: output() }
  }
  t.match(await check('size=1m'), {
    code: 2,
    output: /✗ Audit trail .*The disk of .* is full: [01] MB are left.*\n.*→ Free space there, or move Audit\.File/,
  })
  t.match(await check('size=100m,ro'), {
    code: 2,
    output: /✗ Audit trail .* is on a file system that is mounted read-only\.\n.*→ .*ReadWritePaths/,
  })
})

t.test('a start on a disk that is read-only', namespaces, async (t) => {
  const { place, config } = await configured(t)
  const { child, output } = startOn(t, 'size=100m,ro', place, ['serve', '--config', config])
  t.equal(await ended(child), 1)
  t.match(
    output(),
    /^Can't write DicomWebProxy\.Audit\.File: .*audit\.jsonl is on .* mounted read-only\. Choose another/,
  )
})
