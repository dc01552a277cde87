import { copyFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { thisMachine } from '../machine.ts'
import { startEnvironment } from './environment.ts'
import { readOptions, type SoakOptions, usage } from './options.ts'
import { soakReport } from './report.ts'
import { saveReport } from './results.ts'
import { soak } from './soak.ts'
import { verdictsOf } from './verdicts.ts'

await main()

async function main(): Promise<void> {
  const options = optionsOrExit()
  const loadBefore = loadavg()[0] ?? 0
  const environment = await startEnvironment()
  try {
    const result = await soak(options, environment, inform)
    const date = new Date().toISOString().slice(0, 10)
    const report = soakReport({ ...result, date, machine: thisMachine(), loadBefore })
    process.stdout.write(`\n${report}`)
    if (options.save) await saveReport(report)
    if (verdictsOf(result).some(({ held }) => !held)) await fail(environment.log)
  } finally {
    await environment.close()
  }
}

/** Says on standard error what is going on. */
function inform(what: string): void {
  process.stderr.write(`${(performance.now() / 1000).toFixed(0).padStart(5)} s: ${what}\n`)
}

/** The proxy's log is what helps to find out why. */
async function fail(log: string): Promise<void> {
  const copy = join(tmpdir(), 'soak-proxy.log')
  await copyFile(log, copy)
  process.stderr.write(`The proxy's log is in ${copy}\n`)
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
