import { shownJson } from '../../outside-words.ts'
import { Progress, type ProgressOutput } from '../terminal/progress.ts'
import type { Reporter, Result } from './checklist.ts'

const marks = { ok: '✓', failed: '✗', skipped: '–' } as const
/** Columns for what was checked. */
const width = 36

/** For people: a line for each check, and the remedy below each that failed. */
export class TextReport implements Reporter {
  readonly #progress: Progress

  constructor(output: ProgressOutput) {
    this.#progress = new Progress(output, width)
  }

  say(text: string): void {
    this.#progress.say(text)
  }

  heading(text: string): void {
    this.#progress.heading(text)
  }

  begin({ title }: Pick<Result, 'title'>): (result: Result) => void {
    const line = this.#progress.begin(title)
    return ({ status, detail, failure }) => line.end(marks[status], detail, failure ? [`→ ${failure.remedy}`] : [])
  }
}

export const silent: Reporter = { heading() {}, begin: () => () => {} }

/** For programs. */
export function jsonReport(results: readonly Result[], warnings: readonly string[], exitCode: number): string {
  const checks = results.map(({ layer, subject, title, status, milliseconds, detail, failure }) => ({
    layer,
    subject,
    title,
    status,
    milliseconds,
    detail,
    ...(failure && { code: failure.code, remedy: failure.remedy }),
  }))
  return `${shownJson({ ok: exitCode === 0, exitCode, warnings, checks })}\n`
}
