import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { makeCertificate } from '../../test/helpers/certificate.ts'
import { stow } from '../load/body.ts'
import { thisMachine } from '../machine.ts'
import { usageOf } from '../process-usage.ts'
import { Spawned } from '../spawned.ts'
import { store } from '../store.ts'
import { type MemoryRecord, memoryReport, type Peak } from './memory-report.ts'
import { program, urlOf } from './program.ts'
import { saveReport } from './results.ts'
import { secondStore } from './second-store.ts'
import type { SinkPace } from './sink.ts'

// `npm run soak:memory`: the highest resident memory of the proxy, as its command starts it with
// nothing configured but an account, while many large uploads pass at the same time.

const MiB = 1024 ** 2
const uploads = 64
const size = 64 * MiB

/** Small enough that the proxy buffers all of it by default. */
const bufferedSize = 1_000 * 1024
/** As many as the proxy buffers in all. */
const bufferedUploads = 64

/** Google's side of each measurement. */
const cases: Readonly<Record<string, SinkPace>> = {
  'Google reads as fast as it can': { rate: null, rejected: 0 },
  'Google reads 2 MiB/s of each': { rate: 2 * MiB, rejected: 0 },
  'Google reads 0.5 MiB/s of each': { rate: MiB / 2, rejected: 0 },
  [`the same, and ${bufferedUploads} more of 1,000 KiB, rejected, are buffered for a retry`]: {
    rate: MiB / 2,
    rejected: bufferedUploads,
  },
}

await main()

async function main(): Promise<void> {
  const load = loadavg()[0] ?? 0
  const peaks: Peak[] = []
  for (const [what, pace] of Object.entries(cases)) {
    process.stderr.write(`${what} ...\n`)
    peaks.push(await measured(what, pace))
  }
  const date = new Date().toISOString().slice(0, 10)
  const record: MemoryRecord = { date, machine: thisMachine(), load, uploads, mebibytes: size / MiB, peaks }
  const report = memoryReport(record)
  process.stdout.write(`\n${report}`)
  await saveReport(report)
  if (peaks.some(({ met }) => !met)) process.exitCode = 1
}

async function measured(what: string, pace: SinkPace): Promise<Peak> {
  const folder = await mkdtemp(join(tmpdir(), 'soak-memory-'))
  const at = (name: string) => join(folder, name)
  const { authority, cert, key } = makeCertificate()
  await writeFile(at('authority.pem'), authority)
  await writeFile(at('identity.json'), JSON.stringify({ cert, key }), { mode: 0o600 })
  const args = [at('identity.json'), JSON.stringify(pace)]
  const sink = new Spawned({ program: 'soak/sink.ts', args, log: at('sink.log'), nodeOptions: [] })
  await configure(folder, await sink.url())
  const proxy = program(['serve', '--config', at('orthanc.json')], at('proxy.log'))
  try {
    const url = await urlOf('google', at('proxy.log'))
    const idle = usageOf(proxy.pid).peakMemory / MiB
    const startedAt = performance.now()
    const large = times(uploads, () => stow({ url, headers: {} }, size))
    // Until none of the large ones is buffered any more.
    if (pace.rejected > 0) await delay(10_000)
    const small = times(pace.rejected, () =>
      stow({ url: url.replace('/google/', `/${secondStore}/`), headers: {} }, bufferedSize),
    )
    const ends = await Promise.allSettled([...large, ...small])
    const seconds = (performance.now() - startedAt) / 1_000
    const whole = ends.filter(({ status }) => status === 'fulfilled').length
    const peak = usageOf(proxy.pid).peakMemory / MiB
    return { what, seconds, whole: `${whole} of ${ends.length}`, idle, peak, met: peak < 512 && whole === ends.length }
  } finally {
    await proxy.close()
    await sink.close()
    await rm(folder, { recursive: true })
  }
}

function times(count: number, action: () => Promise<void>): Promise<void>[] {
  return Array.from({ length: count }, action)
}

/** Everything but what must be there has its default. */
async function configure(folder: string, origin: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = {
    type: 'service_account',
    client_email: 'soak@soak.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
  const configuration = {
    GoogleCloudPlatform: {
      BaseUrl: `${origin}/v1/`,
      TokenUrl: `${origin}/token`,
      Accounts: {
        google: { ...store, ServiceAccountFile: join(folder, 'key.json') },
        [secondStore]: { ...store, DicomStore: secondStore, ServiceAccountFile: join(folder, 'key.json') },
      },
    },
    DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0' },
    HttpsCACertificates: join(folder, 'authority.pem'),
  }
  await writeFile(join(folder, 'key.json'), JSON.stringify(key), { mode: 0o600 })
  await writeFile(join(folder, 'orthanc.json'), JSON.stringify(configuration))
}
