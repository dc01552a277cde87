import { type FileHandle, open, unlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { openConnections } from '../../forward/connections.ts'
import { shownJson, shownLines } from '../../outside-words.ts'
import { CommandFailure, type ExitCode, exitCode } from '../exit-code.ts'
import { interruptedBySignals } from '../process/signals.ts'
import { type ConfigurationOptions, readSettings } from '../settings.ts'
import { accountOf, clientOf } from './account.ts'
import { announcement, contentOf } from './announcement.ts'
import { type CleanUp, cleanUp } from './cleanup.ts'
import { confirmed, needsTerminal, type Terminal } from './question.ts'
import { countsOf, jsonReport, type Run, reportOf, silent, summary, TextReport } from './report.ts'
import { groups } from './statements.ts'
import type { StoreClient } from './store-client.ts'
import { TestData } from './test-data.ts'
import { TestStore } from './test-store.ts'
import { type Result, tryAll } from './trial.ts'

export interface ConformanceOptions extends ConfigurationOptions {
  readonly account: string
  readonly yes?: boolean
  readonly json?: boolean
  readonly report?: string
}

/** For all statements; the question comes before. */
const maxRunMs = 10 * 60_000
/** For the removal of what was stored. */
const maxCleanUpMs = 5 * 60_000
/** An upload that was cut may be stored a moment later. */
const settleMs = 2_000

/**
 * Checks everything that the product relies on of Google at a store for tests, and says what is
 * otherwise.
 */
export async function conformance(stores: readonly string[], options: ConformanceOptions): Promise<ExitCode> {
  const settings = await readSettings(stores, options)
  const account = accountOf(settings, options.account)
  const terminal: Terminal = { input: process.stdin, output: process.stderr }
  if (!options.yes) needsTerminal(terminal)
  const report = options.report === undefined ? null : await ReportFile.open(options.report)
  const interruption = interruptedBySignals()
  const connections = openConnections(settings.outgoing)
  try {
    const client = await clientOf(settings, account, connections)
    const content = await contentOf(client, interruption.signal)
    if (content === null) return interruption.exitCode() ?? exitCode.failure
    const data = new TestData()
    const maxMinutes = Math.round((maxRunMs + maxCleanUpMs) / 60_000)
    say(announcement(settings, account, data, content, maxMinutes))
    if (!options.yes && !(await confirmed(terminal, interruption.signal))) {
      say('Nothing was stored.')
      return interruption.exitCode() ?? exitCode.failure
    }
    const run = await runAll(client, data, options, interruption.signal)
    return interruption.exitCode() ?? (await tell(run, options, report))
  } finally {
    await report?.close()
    await connections.close()
  }
}

async function runAll(
  client: StoreClient,
  data: TestData,
  { json }: ConformanceOptions,
  interrupted: AbortSignal,
): Promise<Run> {
  const startedAt = performance.now()
  const signal = AbortSignal.any([interrupted, AbortSignal.timeout(maxRunMs)])
  const text = json ? null : new TextReport(process.stdout)
  let results: readonly Result[] = []
  let removed: CleanUp = { left: [], unknown: [] }
  try {
    results = await tryAll(groups, new TestStore(client, data, signal), text ?? silent, signal)
  } finally {
    if (interrupted.aborted) {
      say('Interrupted: removing what was stored. A second signal ends this at once.')
    }
    if (signal.aborted || client.aborted) await delay(settleMs)
    client.beginCleanUp()
    removed = await cleanUp(new TestStore(client, data, AbortSignal.timeout(maxCleanUpMs)))
    tellRest(removed)
  }
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10
  const atGoogle = new URL(client.dicomWebUrl).hostname.endsWith('.googleapis.com')
  const run = { results, cleanUp: removed, requests: client.requests, seconds, atGoogle }
  for (const line of ['', summary(run)]) text?.say(line)
  return run
}

/** Also said when the run was interrupted. */
function tellRest({ left, unknown }: CleanUp): void {
  const list = (uids: readonly string[], words: string) => {
    if (uids.length > 0) say([words, ...uids.map((uid) => `  ${uid}`)].join('\n'))
  }
  list(left, 'These studies could not be removed. Delete them in the store:')
  list(unknown, 'The store does not say whether these studies are still there. Delete them if they are:')
}

async function tell(run: Run, { json }: ConformanceOptions, report: ReportFile | null): Promise<ExitCode> {
  const { different, failed } = countsOf(run.results)
  const { left, unknown } = run.cleanUp
  const code = different + failed + left.length + unknown.length === 0 ? exitCode.ok : exitCode.failure
  if (json) process.stdout.write(jsonReport(run, code))
  await report?.write(`${shownJson(reportOf(run))}\n`)
  return code
}

/** Is opened before the question, so that a run of minutes doesn't end without its report. */
class ReportFile {
  readonly #path: string
  readonly #file: FileHandle
  #written = false

  private constructor(path: string, file: FileHandle) {
    this.#path = path
    this.#file = file
  }

  static async open(path: string): Promise<ReportFile> {
    try {
      return new ReportFile(path, await open(path, 'wx'))
    } catch (cause) {
      const words = codeOf(cause) === 'EEXIST' ? 'exists already; name another file' : `can't be written${named(cause)}`
      throw new CommandFailure(`The report ${path} ${words}.`, exitCode.usage, { cause })
    }
  }

  /** What can't be written is printed: the run must not have been in vain. */
  async write(report: string): Promise<void> {
    try {
      await this.#file.writeFile(report)
      await this.#file.sync()
    } catch (cause) {
      process.stdout.write(report)
      const words = `The report can't be written${named(cause)}, so it is printed: ${this.#path}.`
      throw new CommandFailure(words, exitCode.failure, { cause })
    }
    this.#written = true
    say(`The report is in ${this.#path}. It names no project, store, patient or UID.`)
  }

  /** Leaves no empty file. */
  async close(): Promise<void> {
    await this.#file.close()
    if (!this.#written) await unlink(this.#path).catch(() => undefined)
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function named(error: unknown): string {
  const code = codeOf(error)
  return code === undefined ? '' : ` (${code})`
}

/** Beside the results: standard output may be a file, or JSON. */
function say(words: string): void {
  process.stderr.write(`${shownLines(words)}\n`)
}
