import { shownJson } from '../../outside-words.ts'
import { ProgressReport } from '../terminal/progress.ts'
import type { Reporter, Result } from './checklist.ts'

const marks = { ok: '✓', failed: '✗', skipped: '–' } as const

/** For people: a line for each check, and the remedy below each that failed. */
export class TextReport extends ProgressReport implements Reporter {
  begin({ title }: Pick<Result, 'title'>): (result: Result) => void {
    const line = this.progress.begin(title)
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
