import { once } from 'node:events'
import { shownJson, shownText } from '../../outside-words.ts'
import type { Failed, Findings, Totals } from './comparison.ts'
import { type Count, type Difference, type Missing, missingInstances } from './difference.ts'
import type { Since } from './since.ts'
import type { Transfers } from './transfers.ts'

export interface Report extends Findings {
  end(totals: Totals, exitCode: number): Promise<void>
}

export interface ReportOptions {
  readonly output: NodeJS.WritableStream
  /** Gets the progress, without any UID; null if nobody watches. */
  readonly progress: NodeJS.WritableStream | null
  readonly transfers: Transfers
  readonly since: Since | null
  readonly signal: AbortSignal
}

/** Studies between two lines of progress. */
const progressStep = 1_000

/** For people: lines for each study that isn't the same, and a verdict. */
export class TextReport implements Report {
  readonly #options: ReportOptions
  #studies = 0

  constructor(options: ReportOptions) {
    this.#options = options
  }

  begin(studies: number): void {
    this.#studies = studies
  }

  compared(studies: number): void {
    if (studies % progressStep === 0) this.#options.progress?.write(`${studies} of ${this.#studies} studies compared\n`)
  }

  lookedUp(studies: number): void {
    this.#options.progress?.write(`${studies} of Google's studies looked up in Orthanc\n`)
  }

  async different(difference: Difference): Promise<void> {
    const { study, orthanc, google, arriving, missingAtGoogle, missingInOrthanc } = difference
    const counts = `Orthanc has ${numbers(orthanc)}, Google ${numbers(google)}`
    const lines = [`✗ study ${study}: ${counts}`]
    if (arriving) lines.push('    Orthanc is still receiving it: compare it again later')
    if (missingAtGoogle) lines.push(...missingLines(missingAtGoogle, 'missing at Google'))
    lines.push(...this.#options.transfers.send(difference).map((command) => `    → send: ${command}`))
    if (missingInOrthanc) lines.push(...missingLines(missingInOrthanc, 'missing in Orthanc'))
    lines.push(...this.#options.transfers.retrieve(difference).map((command) => `    → retrieve: ${command}`))
    await this.#write(lines)
  }

  async failed({ study, error }: Failed): Promise<void> {
    await this.#write([`– study ${study}: not compared. ${error.problem}`, `    → ${error.remedy}`])
  }

  async end(totals: Totals): Promise<void> {
    await this.#write(verdict(totals, this.#options.since))
  }

  /** Waits for a slow reader, so that nothing piles up. */
  async #write(lines: readonly string[]): Promise<void> {
    await write(lines.map((line) => `${shownText(line)}\n`).join(''), this.#options)
  }
}

/** For programs: a JSON object in each line, the last one with the totals. */
export class JsonReport implements Report {
  readonly #options: ReportOptions

  constructor(options: ReportOptions) {
    this.#options = options
  }

  begin(): void {}
  compared(): void {}
  lookedUp(): void {}

  async different(difference: Difference): Promise<void> {
    const { study, orthanc, google, arriving, missingAtGoogle, missingInOrthanc } = difference
    const { transfers } = this.#options
    await this.#write({
      study,
      orthanc,
      google,
      arriving,
      missingAtGoogle: missingAtGoogle && missingJson(missingAtGoogle, transfers.send(difference)),
      missingInOrthanc: missingInOrthanc && missingJson(missingInOrthanc, transfers.retrieve(difference)),
    })
  }

  async failed({ study, error: { code, problem, remedy } }: Failed): Promise<void> {
    await this.#write({ study, failed: { code, problem, remedy } })
  }

  async end({ stopped, ...totals }: Totals, exitCode: number): Promise<void> {
    const reason = stopped && { code: stopped.code, problem: stopped.problem, remedy: stopped.remedy }
    const same = exitCode === 0
    await this.#write({
      totals: { exitCode, same, since: this.#options.since?.text ?? null, ...totals, stopped: reason },
    })
  }

  async #write(value: object): Promise<void> {
    await write(`${shownJson(value, 0)}\n`, this.#options)
  }
}

async function write(text: string, { output, signal }: ReportOptions): Promise<void> {
  if (!output.write(text)) await once(output, 'drain', { signal })
}

function missingLines(missing: Missing<unknown>, words: string): string[] {
  if (missing.whole) return [`    ${words}: all of it`]
  return missing.series.flatMap(({ uid, whole, instances }) => [
    `    ${words}, of series ${uid}: ${whole ? `all of it, ${plural(instances.length, 'instance')}` : plural(instances.length, 'instance')}`,
    ...(whole ? [] : instances.map((instance) => `      ${instance}`)),
  ])
}

/** What is missing whole is named, not listed. */
function missingJson(missing: Missing<unknown>, commands: readonly string[]) {
  const series = missing.series.map(({ uid, whole, instances }) => ({
    series: uid,
    whole,
    count: instances.length,
    ...(!whole && { instances }),
  }))
  return { whole: missing.whole, count: missingInstances(missing), ...(!missing.whole && { series }), commands }
}

/** How it ended; a failure is not taken for a difference. */
export function verdict(totals: Totals, since: Since | null): string[] {
  const { compared, missingAtGoogle, missingInOrthanc, failed, stopped } = totals
  const which = since ? `that Orthanc has received since ${since.text}` : 'in Orthanc'
  const there = compared - missingAtGoogle.studies
  const lines = [`${plural(compared, 'study')} ${which}: ${there} completely at Google.`]
  const isDifferent = missingAtGoogle.studies + missingInOrthanc.studies > 0
  if (missingAtGoogle.studies > 0) lines.push(`Different: Google lacks ${missed(missingAtGoogle)}.`)
  if (missingInOrthanc.studies > 0) lines.push(`Different: Orthanc lacks ${missed(missingInOrthanc)}.`)
  if (failed > 0) lines.push(`Not complete: ${plural(failed, 'study')} could not be compared.`)
  if (stopped) lines.push(`Not complete: the comparison ended early. ${stopped.problem}`, `    → ${stopped.remedy}`)
  const within = since
    ? ` Of Google's studies, those with a study date from ${since.text.slice(0, 10)} on were looked up.`
    : ''
  if (!isDifferent && failed === 0 && !stopped) lines.push(`The same: neither side lacks anything.${within}`)
  return lines
}

function missed({ studies, instances }: Totals['missingAtGoogle']): string {
  return `${plural(instances, 'instance')} of ${plural(studies, 'study')}`
}

function numbers({ series, instances }: Count): string {
  return instances === 0 ? 'nothing' : `${series} series with ${plural(instances, 'instance')}`
}

function plural(count: number, noun: 'study' | 'instance'): string {
  const word = noun === 'study' ? 'studies' : 'instances'
  return `${count} ${count === 1 ? noun : word}`
}
