import { copyFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { thisMachine } from '../machine.ts'
import { readOptions, type SoakOptions, usage } from './options.ts'
import { soakReport } from './report.ts'
import { keep } from './results.ts'
import { soak } from './soak.ts'
import { surround } from './surroundings.ts'
import { verdictsOf } from './verdicts.ts'

await main()

async function main(): Promise<void> {
  const options = optionsOrExit()
  const loadBefore = loadavg()[0] ?? 0
  const surroundings = await surround()
  try {
    const result = await soak(options, surroundings, inform)
    const date = new Date().toISOString().slice(0, 10)
    const report = soakReport({ ...result, date, machine: thisMachine(), loadBefore })
    process.stdout.write(`\n${report}`)
    if (options.keep) await keep(report)
    if (verdictsOf(result).some(({ held }) => !held)) await fail(surroundings.log)
  } finally {
    await surroundings.close()
  }
}

/** Says on standard error what is going on. */
function inform(what: string): void {
  process.stderr.write(`${(performance.now() / 1000).toFixed(0).padStart(5)} s: ${what}\n`)
}

/** The proxy's log is what helps to find out why. */
async function fail(log: string): Promise<void> {
  const kept = join(tmpdir(), 'soak-proxy.log')
  await copyFile(log, kept)
  process.stderr.write(`The proxy's log is in ${kept}\n`)
  process.exitCode = 1
}

function optionsOrExit(): SoakOptions {
  try {
    return readOptions(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`)
    return process.exit(2)
  }
}
