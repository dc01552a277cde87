import { writeFile } from 'node:fs/promises'
import { contenders, ours, type Place } from './contender.ts'
import { proveCorrect } from './correct.ts'
import { thisMachine } from './machine.ts'
import { measureMemory } from './memory.ts'
import { type Options, readOptions, usage } from './options.ts'
import { measureOrthanc } from './orthanc/rounds.ts'
import { countRefreshes } from './refresh.ts'
import { reportOf } from './report.ts'
import type { Results, WorkloadResult } from './results.ts'
import { measure } from './rounds.ts'
import { nodeOptionsOfAll } from './spawned.ts'
import { prepare, type Surroundings } from './surroundings.ts'
import { type Workload, workloadsOf } from './workloads.ts'

const memoryRounds = 3

await main()

async function main(): Promise<void> {
  const options = optionsOrExit()
  const surroundings = await prepare(options)
  try {
    const results = await run(options, surroundings)
    const report = reportOf(results, ours.name)
    process.stdout.write(`\n${report}`)
    if (options.keep) await keep(results, report)
  } finally {
    await surroundings.close()
  }
}

function optionsOrExit(): Options {
  try {
    return readOptions(
      process.argv.slice(2),
      contenders.map(({ name }) => name),
    )
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`)
    return process.exit(2)
  }
}

async function run(options: Options, { place, upstream }: Surroundings): Promise<Results> {
  const wanted = (name: string) => options.only.length === 0 || options.only.includes(name)
  const workloads = workloadsOf(options).filter(({ name }) => wanted(name))
  const measured = await runWorkloads(workloads, options, place)
  const memory = wanted('memory') && (await inform('memory', () => measureMemory(place, memoryRounds)))
  // Last: the token that other contenders have pasted in is worth nothing after it.
  const tokenRequests = wanted('refresh') && (await inform('refresh', () => countRefreshes(place, upstream)))
  const orthanc = wanted('orthanc') && (await inform('orthanc', () => measureOrthanc(place, options.rounds)))
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: thisMachine(),
    nodeOptions: [...nodeOptionsOfAll, ...options.nodeOptions],
    rounds: options.rounds,
    workloads: measured,
    ...(memory && { memory }),
    ...(tokenRequests !== false && { tokenRequests }),
    ...(orthanc && { orthanc }),
  }
}

async function runWorkloads(
  workloads: readonly Workload[],
  options: Options,
  place: Place,
): Promise<readonly WorkloadResult[]> {
  if (workloads.length === 0) return []
  const chosen = contenders.filter(({ name }) => options.contenders.length === 0 || options.contenders.includes(name))
  for (const contender of chosen) await inform(`proving ${contender.name}`, () => proveCorrect(contender, place))
  const results: WorkloadResult[] = []
  for (const workload of workloads) {
    const rounds = await inform(workload.title, () => measure(workload, chosen, place, options.rounds))
    results.push({ name: workload.name, title: workload.title, unit: workload.unit, rounds })
  }
  return results
}

/** Says on standard error what is going on: a run takes minutes. */
async function inform<T>(what: string, action: () => Promise<T>): Promise<T> {
  process.stderr.write(`${what} ...`)
  const startedAt = performance.now()
  const result = await action()
  process.stderr.write(` ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`)
  return result
}

async function keep(results: Results, report: string): Promise<void> {
  await writeFile(new URL('results/latest.md', import.meta.url), report)
  await writeFile(new URL('results/latest.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`)
}
