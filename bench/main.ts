import { loadavg } from 'node:os'
import { inspect } from 'node:util'
import { contenders, oursOf } from './contenders.ts'
import { proveCorrect } from './correct.ts'
import { prepareEnvironment } from './environment.ts'
import { keepResults } from './keep-results.ts'
import { thisMachine } from './machine.ts'
import { type Among, type Measurement, measurementsOf } from './measurements.ts'
import { type Options, readOptions, usageText } from './options.ts'
import { reportOf } from './report.ts'
import type { Results } from './results.ts'
import { nodeOptionsOfAll } from './spawned.ts'

const noResults = { finished: false, minutes: 0, failures: [], workloads: [], curves: [] }

await main()

async function main(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const options = optionsOrExit()
  if (process.platform !== 'linux') {
    process.stderr.write('The bench needs Linux: processor time and memory of the contenders are read from /proc.\n')
    process.exit(2)
  }
  const named = contenders.filter(({ name }) => options.contenders.length === 0 || options.contenders.includes(name))
  const chosen = options.before === undefined ? named : [oursOf(options.before), ...named]
  const missing = chosen.filter((contender) => contender.version() === null)
  for (const { name } of missing) process.stderr.write(`${name} is not installed: left out\n`)
  const environment = await prepareEnvironment(options)
  try {
    const present = chosen.filter((contender) => !missing.includes(contender))
    const results = await run(
      options,
      { contenders: present, environment },
      missing.map(({ name }) => name),
    )
    process.stdout.write(`\n${reportOf(results)}`)
  } finally {
    await environment.close()
  }
}

function optionsOrExit(): Options {
  const names = contenders.map(({ name }) => name)
  const measurements = measurementsOf(readOptions([], [], [])).map(({ name }) => name)
  try {
    return readOptions(process.argv.slice(2), measurements, names)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usageText(measurements, names)}`)
    return process.exit(2)
  }
}

/** Keeps the results after each measurement: an interrupted run leaves what it has found out. */
async function run(options: Options, among: Among, missing: readonly string[]): Promise<Results> {
  const startedAt = performance.now()
  const minutes = () => (performance.now() - startedAt) / 60_000
  const selected = measurementsOf(options).filter(
    ({ name }) => options.only.length === 0 || options.only.includes(name),
  )
  let results: Results = { ...heading(options, among), ...noResults, missing }
  await prove(selected, among)
  for (const measurement of selected) {
    results = await inform(measurement.title, () => attempt(measurement, results, among))
    results = { ...results, minutes: minutes(), finished: measurement === selected.at(-1) }
    if (options.results) await keepResults(results, options.results)
  }
  return results
}

/** One that fails does not end the others: half an hour would be lost. */
async function attempt(measurement: Measurement, results: Results, among: Among): Promise<Results> {
  try {
    return await measurement.run(results, among)
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(`\n${inspect(error)}\n`)
    return { ...results, failures: [...results.failures, `${measurement.title}: ${(error as Error).message}`] }
  }
}

async function prove(wanted: readonly Measurement[], { contenders, environment }: Among): Promise<void> {
  if (wanted.every(({ oursOnly }) => oursOnly)) return
  for (const contender of contenders) {
    await inform(`proving ${contender.name}`, () => proveCorrect(contender, environment.place))
  }
}

function heading({ node, nodeOptions }: Options, { contenders }: Among) {
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: thisMachine(node),
    load: loadavg()[0] ?? 0,
    nodeOptions: [...nodeOptionsOfAll, ...nodeOptions],
    versions: Object.fromEntries(contenders.map((contender) => [contender.name, contender.version() ?? ''])),
  }
}

/** Says on standard error what is going on: a run takes half an hour. */
async function inform<T>(what: string, action: () => Promise<T>): Promise<T> {
  process.stderr.write(`${what} ...`)
  const startedAt = performance.now()
  const result = await action()
  process.stderr.write(` ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`)
  return result
}
