import { shownJson } from '../../outside-words.ts'
import { version } from '../../version.ts'
import { ProgressReport } from '../terminal/progress.ts'
import type { CleanUp } from './cleanup.ts'
import { type SourceKey, sources } from './sources.ts'
import type { Statement } from './statement.ts'
import { type Reporter, type Result, statuses } from './trial.ts'

const marks = { same: '✓', different: '✗', failed: '✗', 'not tried': '–' } as const

/** A run, once it is over. */
export interface Run {
  readonly results: readonly Result[]
  readonly cleanUp: CleanUp
  readonly requests: number
  readonly seconds: number
  /** Whether BaseUrl is Google's own. */
  readonly atGoogle: boolean
}

/** For people: a line for each statement, and more where it is not as expected. */
export class TextReport extends ProgressReport implements Reporter {
  begin({ id }: Statement): (result: Result) => void {
    const line = this.progress.begin(id)
    return ({ statement, status, seen }) => {
      const { reliedOn } = statement
      if (status === 'same') line.end(marks[status], `same: ${seen} – ${reliedOn} (${certaintyOf(statement)})`)
      else line.end(marks[status], `${status}: ${seen}`, belowOf(statement, status))
    }
  }
}

function belowOf(statement: Statement, status: Result['status']): string[] {
  const { reliedOn, expected, difference } = statement
  const lines = [`relied on: ${reliedOn} (${certaintyOf(statement)})`, `expected: ${expected.join(' | ')}`]
  return status === 'different' ? [...lines, `→ ${difference}`] : lines
}

/** `documented: CS, HT`; `assumed, 3 outcomes are expected`. */
function certaintyOf({ certainty, sources: keys, expected }: Statement): string {
  const named = keys.length === 0 ? certainty : `${certainty}: ${keys.join(', ')}`
  return expected.length === 1 ? named : `${named}; ${expected.length} outcomes are expected`
}

export const silent: Reporter = { heading() {}, begin: () => () => {} }

/** `117 statements: 115 same, 2 different; 212 requests in 14 s.` */
export function summary({ results, requests, seconds }: Run): string {
  const counts = countsOf(results)
  const parts = statuses.filter((status) => counts[status] > 0).map((status) => `${counts[status]} ${status}`)
  return `${results.length} statements: ${parts.join(', ')}; ${requests} requests in ${seconds} s.`
}

export function countsOf(results: readonly Result[]): Record<Result['status'], number> {
  const count = (wanted: Result['status']) => results.filter(({ status }) => status === wanted).length
  return {
    same: count('same'),
    different: count('different'),
    failed: count('failed'),
    'not tried': count('not tried'),
  }
}

/**
 * What the project gets to see of a run. By its making it names no account, project, store, host,
 * identity or UID: only our own words, and outcomes, which are made of our own words.
 */
export function reportOf(run: Run) {
  const { results, requests, seconds, atGoogle, cleanUp } = run
  return {
    report: 'gcp-dicomweb-proxy conformance',
    version,
    date: new Date().toISOString().slice(0, 10),
    atGoogle,
    requests,
    seconds,
    counts: countsOf(results),
    studiesNotRemoved: cleanUp.left.length + cleanUp.unknown.length,
    sources: Object.fromEntries(usedSources(results).map((key) => [key, sources[key]])),
    statements: results.map(({ statement, status, seen, milliseconds }) => ({
      id: statement.id,
      reliedOn: statement.reliedOn,
      certainty: statement.certainty,
      sources: statement.sources,
      expected: statement.expected,
      seen,
      status,
      ...(status === 'different' && { difference: statement.difference }),
      milliseconds,
    })),
  }
}

function usedSources(results: readonly Result[]): SourceKey[] {
  return [...new Set(results.flatMap(({ statement }) => statement.sources))].sort()
}

/** The same for programs on this machine, with what could not be removed. */
export function jsonReport(run: Run, exitCode: number): string {
  return `${shownJson({ exitCode, notRemoved: [...run.cleanUp.left, ...run.cleanUp.unknown], ...reportOf(run) })}\n`
}
