/**
 * `npm run bench:stow`: how long an upload takes to a store far away, as one request and in batches
 * (docs/adr/0037) over more and more connections, with and without failing requests, and what it
 * costs the processor when the store is near. The line is the emulator's (src/emulator/line.ts): so
 * much for each connection, and a round trip. Store and proxy are processes of their own; this one
 * is the client.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { syntheticStudy } from '../src/emulator/synthetic-study.ts'
import { median } from './statistics.ts'
import { type FarStoreOptions, type Study, type Uploaded, withProxies } from './stow-store.ts'
import { lineChart } from './svg/lines.ts'
import { table } from './table.ts'

const MiB = 1024 ** 2
/** Every so many requests one fails: with 429, 503, a reset, or 401, in turn. */
const faultiness = { 'none fails': 0, '1 % of each': 25, '3 % of each': 8 } as const
type Faultiness = keyof typeof faultiness

/** Uploads over more and more connections. */
interface Curve {
  /** Of one upload, and how many there are at once. */
  readonly mebibytes: number
  readonly uploads: number
  readonly mebibytesPerSecond: number
  readonly faults: readonly Faultiness[]
}

/** What `--only` names. */
const curves: Readonly<Record<string, Curve>> = {
  line: {
    mebibytes: 256,
    uploads: 1,
    mebibytesPerSecond: 8,
    faults: ['none fails', '1 % of each', '3 % of each'],
  },
  uploads: {
    mebibytes: 300,
    uploads: 4,
    mebibytesPerSecond: 8,
    faults: ['none fails', '1 % of each'],
  },
  gibibyte: {
    mebibytes: 1000,
    uploads: 1,
    mebibytesPerSecond: 16,
    faults: ['none fails', '1 % of each'],
  },
}
/** Near stores: what is sent as one request and in batches, in turn. */
const near = [
  { instances: 512, kibibytes: 512, rounds: 7 },
  { instances: 10_000, kibibytes: 5, rounds: 7 },
]
const nearConnections = 4

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: ['near', ...Object.keys(curves)].join(',') },
    mebibytes: { type: 'string' },
    'instance-kibibytes': { type: 'string', default: '512' },
    connections: { type: 'string', default: '1,2,4,8' },
    'round-trip': { type: 'string', default: '50' },
    'mebibytes-per-second': { type: 'string' },
    rounds: { type: 'string', default: '1' },
    results: { type: 'string' },
  },
})
const connections = values.connections.split(',').map(Number)

await main()

async function main(): Promise<void> {
  const drawn = new Map<string, readonly number[]>()
  for (const name of values.only.split(',')) {
    const curve = curves[name]
    if (name !== 'near' && !curve) {
      throw new Error(`--only knows near, ${Object.keys(curves).join(', ')}; not "${name}"`)
    }
    const speeds = curve ? await measureCurve(curve) : await measureNear()
    if (name === 'line') for (const [label, speed] of speeds) drawn.set(label, speed)
  }
  if (values.results && drawn.size > 0) await draw(values.results, drawn)
}

async function measureCurve(curve: Curve): Promise<ReadonlyMap<string, readonly number[]>> {
  const mebibytes = Number(values.mebibytes ?? curve.mebibytes)
  const kibibytes = Number(values['instance-kibibytes'])
  const rate = Number(values['mebibytes-per-second'] ?? curve.mebibytesPerSecond)
  const line = { roundTrip: Number(values['round-trip']), bytesPerSecond: rate * MiB }
  const studies = Array.from({ length: curve.uploads }, (_, seed) =>
    studyOf(Math.round((mebibytes * 1024) / kibibytes), kibibytes, seed + 1),
  )
  const total = mebibytes * curve.uploads
  const sent = `${curve.uploads > 1 ? `${curve.uploads} uploads at once, each of ` : ''}${mebibytes} MiB`
  const rows: string[][] = []
  let first: number | null = null
  const measure = async (way: string, faults: Faultiness, count: number | null) => {
    const run = await measured({ ...line, failEvery: faultiness[faults] }, count, studies)
    if (count !== null) first ??= run.seconds
    const speed = first === null ? '' : (first / run.seconds).toFixed(2)
    const cpu = ((run.cpu * 1024) / total).toFixed(2)
    const load = (100 * run.storeLoad).toFixed(0)
    rows.push([way, faults, run.seconds.toFixed(1), speed, String(run.requests), cpu, run.memory.toFixed(0), load])
    process.stderr.write(`${sent}, ${way}, ${faults}: ${run.seconds.toFixed(1)} s\n`)
    return total / run.seconds
  }
  await measure('as one request', 'none fails', null)
  const speeds = new Map<string, number[]>()
  for (const faults of curve.faults) {
    const speed: number[] = []
    for (const count of connections)
      speed.push(await measure(count === 1 ? '1 connection' : `${count} connections`, faults, count))
    speeds.set(faults, speed)
  }
  const title = `${sent}, in instances of ${kibibytes} KiB; ${line.roundTrip} ms, ${rate} MiB/s a connection`
  const head = ['way', 'requests that fail', 's', 'times the first', 'requests', 'processor s/GiB']
  tell(title, [...head, 'MiB above start', "store's % of a core"], rows)
  return speeds
}

async function measured(options: FarStoreOptions, count: number | null, studies: readonly Study[]): Promise<Uploaded> {
  const runs: Uploaded[] = []
  for (let round = 0; round < Number(values.rounds); round += 1) {
    runs.push(await withProxies(options, [count], async ([send]) => (send as NonNullable<typeof send>)(studies)))
  }
  const of = (figure: (run: Uploaded) => number) => median(runs.map(figure))
  return {
    seconds: of(({ seconds }) => seconds),
    requests: of(({ requests }) => requests),
    cpu: of(({ cpu }) => cpu),
    memory: Math.max(...runs.map(({ memory }) => memory)),
    storeLoad: of(({ storeLoad }) => storeLoad),
  }
}

/** Ratios are those of the best rounds, and of the medians. The first round warms up. */
async function measureNear(): Promise<ReadonlyMap<string, readonly number[]>> {
  const rows: string[][] = []
  for (const { instances, kibibytes, rounds } of near) {
    const study = studyOf(instances, kibibytes, 1)
    const runs: Uploaded[][] = [[], []]
    await withProxies({ roundTrip: 0, bytesPerSecond: 0, failEvery: 0 }, [null, nearConnections], async (sends) => {
      for (let round = 0; round <= rounds; round += 1) {
        for (const [way, send] of round % 2 === 0 ? [...sends.entries()] : [...sends.entries()].reverse()) {
          const run = await send([study])
          if (round > 0) runs[way]?.push(run)
        }
      }
    })
    for (const [figure, of] of [
      ['processor s', ({ cpu }: Uploaded) => cpu],
      ['s', ({ seconds }: Uploaded) => seconds],
    ] as const) {
      const [single = [], batches = []] = runs.map((ofWay) => ofWay.map(of))
      const best = [Math.min(...single), Math.min(...batches)] as const
      const middle = [median(single), median(batches)] as const
      const ratios = [best, middle].map(([alone, split]) => (split / alone).toFixed(2))
      const figures = [...best, ...middle].map((value) => value.toFixed(3))
      rows.push([`${instances} of ${kibibytes} KiB`, figure, ...figures, ...ratios])
    }
    process.stderr.write(`near, ${instances} of ${kibibytes} KiB\n`)
  }
  const title = `A store that is near: as one request, and in batches over ${nearConnections} connections`
  const head = ['instances', 'figure', 'one, best', 'batches, best', 'one, median', 'batches, median']
  tell(title, [...head, 'times, best', 'times, median'], rows)
  return new Map()
}

/** In instances of about as many KiB. */
function studyOf(instances: number, kibibytes: number, seed: number): Study {
  const side = Math.floor(Math.sqrt((kibibytes * 1024) / 2))
  const parts = [...syntheticStudy({ instances, rows: side, columns: side, seed })]
  return { parts, uids: parts.map(({ sopInstanceUid }) => sopInstanceUid) }
}

function tell(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  process.stdout.write(`\n${title}:\n\n${table(head, rows)}\n`)
}

async function draw(folder: string, speeds: ReadonlyMap<string, readonly number[]>): Promise<void> {
  const lines = [...speeds].map(([label, each], at) => ({ label, values: each, own: at === 0 }))
  const title = 'An upload to a store far away, in batches'
  await mkdir(folder, { recursive: true })
  const svg = lineChart({ title, xAxis: 'connections', yAxis: 'MiB per second', xs: connections, lines })
  await writeFile(join(folder, 'stow.svg'), svg)
}
