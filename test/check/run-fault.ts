import { homedir } from 'node:os'
import { codeOf, runChecks } from '../../src/cli/check/check.ts'
import type { Result } from '../../src/cli/check/checklist.ts'
import { silent } from '../../src/cli/check/report.ts'
import type { Fault } from './faults.ts'
import { Harness } from './harness.ts'

export interface Observed {
  readonly results: readonly Result[]
  readonly exitCode: number
  /** Problem and remedy of the first check that fails, without what differs between two runs. */
  readonly problem: string
  readonly remedy: string
}

/** Breaks something, and runs the checks. */
export async function runFault({ emulator = {}, breaks }: Fault): Promise<Observed> {
  const harness = await Harness.open(emulator)
  try {
    const { environment = {}, ...options } = await breaks(harness)
    const context = { environment, workingDirectory: harness.folder, homeDirectory: harness.folder }
    const { results } = await runChecks([], options, silent, context)
    const failure = results.find(({ status }) => status === 'failed')?.failure
    const settled = (text = '') => withoutChance(text, harness.folder)
    return { results, exitCode: codeOf(results), problem: settled(failure?.problem), remedy: settled(failure?.remedy) }
  } finally {
    await harness.close()
  }
}

/** Ports, folders, names and dates that are new each time. */
function withoutChance(text: string, folder: string): string {
  return text
    .replaceAll(`${folder}/`, '')
    .replaceAll(folder, '.')
    .replaceAll(homedir(), '~')
    .replaceAll(/\b127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replaceAll(/\bsport = :\d+/g, 'sport = :PORT')
    .replaceAll(/Test authority \w+/g, 'Example authority')
    .replaceAll(/\d{4}-\d\d-\d\d/g, 'DATE')
    .replaceAll(/\b(59[89]|60[012]) s/g, '600 s')
    .replaceAll(/\b(119|12[012]) s/g, '120 s')
}
