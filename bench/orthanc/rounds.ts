import { deepEqual } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { findOrthanc } from '../../src/orthanc/find-orthanc.ts'
import type { Place, RunningContender } from '../contender.ts'
import { ours } from '../contenders.ts'
import { Spawned } from '../spawned.ts'
import { dicomWebPath, type Upstream } from '../store.ts'
import type { OrthancResult, OrthancRound } from './results.ts'
import { Sender } from './sender.ts'
import { studyTitle } from './study.ts'

/** Below that, one disturbed round weighs too much. */
const minRounds = 9
const searches = 50
const routes = ['direct', 'through'] as const
/** Node compiles the proxy while it runs; in a hospital it has run for weeks. */
const warmUps = 4

interface Task {
  readonly title: string
  /** Whether the store reads no faster than a line of 1 Gbit/s would bring it. */
  readonly isPaced?: boolean
  /** Milliseconds. */
  run(sender: Sender, server: string): Promise<number>
}

const tasks: readonly Task[] = [
  { title: `STOW-RS, ${studyTitle}`, run: (sender, server) => sender.stow(server) },
  { title: `STOW-RS, ${studyTitle}, 1 Gbit/s`, isPaced: true, run: (sender, server) => sender.stow(server) },
  { title: `WADO-RS, ${studyTitle}`, run: (sender, server) => sender.retrieve(server) },
  { title: `QIDO-RS, ${searches} in turn`, run: (sender, server) => sender.search(server, searches) },
]

/**
 * What our proxy adds to the time that a real Orthanc needs. Orthanc sends a study, retrieves it
 * and searches: "direct", by TLS and with the token pasted into its DICOMweb server's
 * `HttpHeaders`; and "through" the proxy, by plain HTTP, to the same TLS store. Everything but the
 * two servers' addresses is the same, and as Orthanc ships it; its DICOMweb plugin 1.7 sends a job
 * as one chunked request, and does not know the `StowMaxInstances` and `StowMaxSize` of others.
 * What `register` writes (docs/orthanc.md) is, as far as it shows on the wire, that plugin's
 * default.
 *
 * First both ways are proven: each file arrives byte for byte, in both directions. Then come
 * rounds, with a new process of the proxy in each, in which both ways have their turn, in changing
 * order. The time is that of Orthanc's HTTP exchanges by its own log, from their start to the last
 * byte of the response. With an unlimited store on the same machine that is a race for its cores;
 * so STOW-RS is also timed at the speed of a line of 1 Gbit/s, where only added delays show.
 *
 * Null where no Orthanc is installed.
 */
export async function measureOrthanc(place: Place, rounds: number): Promise<OrthancResult | null> {
  if (!findOrthanc()) {
    process.stderr.write('orthanc: left out, as Orthanc with its DICOMweb plugin is not installed\n')
    return null
  }
  const environment = await prepare(place)
  try {
    await prove(environment)
    const load = loadavg()[0] ?? 0
    return { load, tasks: await runTasks(environment, Math.max(rounds, minRounds)) }
  } finally {
    await environment.close()
  }
}

interface OrthancEnvironment {
  readonly place: Place
  readonly store: Spawned
  readonly sender: Sender
  close(): Promise<void>
}

/** A store, and an Orthanc whose server "direct" is that store. */
async function prepare(outer: Place): Promise<OrthancEnvironment> {
  const folder = join(outer.folder, 'orthanc')
  await mkdir(folder)
  const at = (name: string) => join(folder, name)
  const { authorityFile } = JSON.parse(await readFile(outer.upstreamFile, 'utf8')) as Upstream
  const token = randomUUID()
  const args = [join(outer.folder, 'identity.json'), token]
  const store = new Spawned({ program: 'orthanc/store.ts', args, log: at('store.log'), nodeOptions: [] })
  const upstream: Upstream = { origin: await store.url(), authorityFile, token }
  await writeFile(at('upstream.json'), JSON.stringify(upstream))
  const sender = await Sender.start(authorityFile)
  const HttpHeaders = { Authorization: `Bearer ${token}` }
  await sender.server('direct', { Url: `${upstream.origin}${dicomWebPath}/`, HttpHeaders })
  return {
    place: { ...outer, folder, upstreamFile: at('upstream.json') },
    store,
    sender,
    async close() {
      await sender.close()
      await store.close()
    },
  }
}

/** Starts the proxy, to which Orthanc's server "through" then leads. */
async function startProxy({ place, sender }: OrthancEnvironment): Promise<RunningContender> {
  const proxy = await ours.start(place)
  await sender.server('through', { Url: proxy.url })
  return proxy
}

/** Proves that every file reaches the store, and comes back from it, unchanged. */
async function prove(environment: OrthancEnvironment): Promise<void> {
  const { sender, store } = environment
  const proxy = await startProxy(environment)
  try {
    for (const route of routes) {
      await store.ask('readNext')
      await sender.stow(route)
      deepEqual(await store.ask('digests'), sender.digests, `STOW-RS ${route}`)
      await sender.retrieve(route)
      deepEqual(await sender.storedDigests(), sender.digests, `WADO-RS ${route}`)
    }
  } finally {
    await proxy.close()
  }
}

async function runTasks(environment: OrthancEnvironment, rounds: number): Promise<OrthancResult['tasks']> {
  const results: { title: string; rounds: OrthancRound[] }[] = tasks.map(({ title }) => ({ title, rounds: [] }))
  for (let round = 0; round < rounds; round += 1) {
    const proxy = await startProxy(environment)
    try {
      for (const [at, task] of tasks.entries()) {
        await environment.store.ask(task.isPaced ? 'pace' : 'unpace')
        results[at]?.rounds.push(await runRound(task, round, environment.sender, proxy))
      }
    } finally {
      await proxy.close()
    }
  }
  return results
}

async function runRound({ run }: Task, round: number, sender: Sender, proxy: RunningContender): Promise<OrthancRound> {
  await run(sender, 'direct')
  for (let times = 0; times < warmUps; times += 1) await run(sender, 'through')
  const times = { direct: 0, through: 0 }
  const before = proxy.usage()
  for (const route of round % 2 === 0 ? routes : routes.toReversed()) times[route] = await run(sender, route)
  const after = proxy.usage()
  return { ...times, cpu: (after.cpu - before.cpu) / 1000 }
}
