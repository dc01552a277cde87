/**
 * `npm run bench:stow`: how long an upload takes to a store far away, as one request and in batches
 * (docs/adr/0037) over more and more connections, with and without failing requests. The line is the
 * emulator's (src/emulator/line.ts): so much for each connection, and a round trip. Store and proxy
 * are processes of their own; this one is the client.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { multipart, type SyntheticInstance, syntheticStudy } from '../src/emulator/synthetic-study.ts'
import { usageOf } from './process-usage.ts'
import { program, urlOf } from './soak/program.ts'
import { Spawned } from './spawned.ts'
import { median } from './statistics.ts'
import { lineChart } from './svg/lines.ts'
import { table } from './table.ts'

const MiB = 1024 ** 2
const store = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }
/** Orthanc's libcurl writes chunks of this size. */
const chunkBytes = 65_524
/** Every so many requests one fails: with 429, 503, a reset, or 401, in turn. */
const faultiness: Readonly<Record<string, number>> = { 'none fails': 0, '1 % of each': 25, '3 % of each': 8 }

interface Run {
  /** Null: as one request. */
  readonly connections: number | null
  readonly failEvery: number
}

interface Outcome {
  readonly seconds: number
  readonly requests: number
  /** Of the proxy: processor time in seconds, and MiB above what it has when it starts. */
  readonly cpu: number
  readonly memory: number
}

interface Line {
  readonly roundTrip: number
  readonly bytesPerSecond: number
}

await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mebibytes: { type: 'string', default: '256' },
      'instance-kibibytes': { type: 'string', default: '512' },
      connections: { type: 'string', default: '1,2,4,8' },
      'round-trip': { type: 'string', default: '50' },
      'mebibytes-per-second': { type: 'string', default: '8' },
      rounds: { type: 'string', default: '1' },
      results: { type: 'string' },
    },
  })
  const line = {
    roundTrip: Number(values['round-trip']),
    bytesPerSecond: Number(values['mebibytes-per-second']) * MiB,
  }
  const mebibytes = Number(values.mebibytes)
  const instances = studyOf(mebibytes, Number(values['instance-kibibytes']))
  const connections = values.connections.split(',').map(Number)
  const rounds = Number(values.rounds)
  const measure = async (run: Run): Promise<Outcome> => {
    const outcomes: Outcome[] = []
    for (let round = 0; round < rounds; round += 1) outcomes.push(await withStore(line, run, instances))
    const of = (figure: (outcome: Outcome) => number) => median(outcomes.map(figure))
    return {
      seconds: of(({ seconds }) => seconds),
      requests: of(({ requests }) => requests),
      cpu: of(({ cpu }) => cpu),
      memory: Math.max(...outcomes.map(({ memory }) => memory)),
    }
  }

  const rows: string[][] = []
  const speeds = new Map<string, number[]>()
  const tell = (name: string, way: string, { seconds, requests, cpu, memory }: Outcome, one: number | null) => {
    const speed = one === null ? '' : (one / seconds).toFixed(2)
    const figures = [seconds.toFixed(1), speed, String(requests), ((cpu * 1024) / mebibytes).toFixed(2)]
    rows.push([way, name, ...figures, memory.toFixed(0)])
    process.stderr.write(`${way}, ${name}: ${seconds.toFixed(1)} s\n`)
  }
  tell('none fails', 'as one request', await measure({ connections: null, failEvery: 0 }), null)
  let one: number | null = null
  for (const [name, failEvery] of Object.entries(faultiness)) {
    const speed: number[] = []
    for (const count of connections) {
      const outcome = await measure({ connections: count, failEvery })
      one ??= outcome.seconds
      tell(name, count === 1 ? '1 connection' : `${count} connections`, outcome, one)
      speed.push(mebibytes / outcome.seconds)
    }
    speeds.set(name, speed)
  }
  const head = ['way', 'requests that fail', 's', 'times the first', 'requests', 'processor s/GiB', 'MiB above start']
  process.stdout.write(`${table(head, rows)}\n`)
  if (values.results) await draw(values.results, connections, speeds)
}

/** Of as many MiB, in instances of about as many KiB. */
function studyOf(mebibytes: number, kibibytes: number): readonly SyntheticInstance[] {
  const side = Math.floor(Math.sqrt((kibibytes * 1024) / 2))
  return [...syntheticStudy({ instances: Math.round((mebibytes * 1024) / kibibytes), rows: side, columns: side })]
}

async function withStore(line: Line, { connections, failEvery }: Run, instances: readonly SyntheticInstance[]) {
  const folder = await mkdtemp(join(tmpdir(), 'bench-stow-'))
  const log = join(folder, 'log')
  const args = [folder, String(line.roundTrip), String(line.bytesPerSecond), String(failEvery)]
  const far = new Spawned({ program: 'far-store.ts', args, log, nodeOptions: [] })
  try {
    await far.url()
    const { baseUrl, tokenUrl, serviceAccountFile } = JSON.parse(await readFile(join(folder, 'store.json'), 'utf8'))
    const parallel = connections === null ? {} : { ParallelStow: { Connections: connections } }
    const content = {
      GoogleCloudPlatform: {
        BaseUrl: baseUrl,
        TokenUrl: tokenUrl,
        Accounts: { google: { ...store, ServiceAccountFile: serviceAccountFile, ...parallel } },
      },
      DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: null },
    }
    const file = join(folder, 'orthanc.json')
    await writeFile(file, JSON.stringify(content))
    const proxy = program(['serve', '--config', file], log)
    try {
      const url = await urlOf('google', log)
      const before = usageOf(proxy.pid)
      const startedAt = performance.now()
      await upload(`${url}studies`, instances)
      const seconds = (performance.now() - startedAt) / 1000
      const { cpu, peakMemory } = usageOf(proxy.pid)
      const requests = await far.ask<number>('uploads')
      return { seconds, requests, cpu: (cpu - before.cpu) / 1e6, memory: (peakMemory - before.memory) / MiB }
    } finally {
      await proxy.close()
    }
  } finally {
    await far.close()
    await rm(folder, { recursive: true })
  }
}

/** Throws unless each instance is reported as stored, once. */
async function upload(url: string, instances: readonly SyntheticInstance[]): Promise<void> {
  const { contentType, chunks } = multipart(instances, 'c2f7a1f0-9a3b-4c1e-8c53-5a86a2a3a0a1')
  const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
  const sending = request(url, { method: 'POST', headers })
  const response = new Promise<string>((resolve, reject) => {
    sending.once('error', reject).once('response', async (message) => {
      let text = ''
      for await (const chunk of message) text += chunk
      if (message.statusCode === 200) resolve(text)
      else reject(new Error(`${message.statusCode}: ${text.slice(0, 500)}`))
    })
  })
  // What fails is told once the response is awaited.
  response.catch(() => {})
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += chunkBytes) {
      if (sending.write(chunk.subarray(at, at + chunkBytes))) continue
      await Promise.race([new Promise((resolve) => sending.once('drain', resolve)), response])
    }
  }
  sending.end()
  const items: { '00081155'?: { Value?: string[] } }[] = JSON.parse(await response)['00081199']?.Value ?? []
  const stored = items.map((item) => item['00081155']?.Value?.[0])
  const isWhole = instances.every(({ sopInstanceUid }, at) => stored[at] === sopInstanceUid)
  if (!isWhole || stored.length !== instances.length)
    throw new Error('The response does not name all instances as sent')
}

async function draw(folder: string, xs: readonly number[], speeds: ReadonlyMap<string, readonly number[]>) {
  const lines = [...speeds].map(([label, values], at) => ({ label, values, own: at === 0 }))
  const title = 'An upload to a store far away, in batches'
  await mkdir(folder, { recursive: true })
  const svg = lineChart({ title, xAxis: 'connections', yAxis: 'MiB per second', xs, lines })
  await writeFile(join(folder, 'stow.svg'), svg)
}
