import { inspect } from 'node:util'
import { Parser, type Result } from 'tap-parser'

export interface TestCount {
  readonly passed: number
  readonly failed: number
  /** Skipped or still to be written. */
  readonly skipped: number
}

/** How a skipped test names the program that it would need. */
export const MISSING_PEER = 'missing peer: '

/**
 * Assertions as tap's last line counts them. A run that broke, or that tested nothing, has one
 * failure.
 */
export function countTests(output: string, exitCode: number): TestCount {
  const totals = /^# \{ (total: .*) \}$/m.exec(output)?.[1] ?? ''
  const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0)
  const passed = count('pass')
  const failed = count('fail')
  const broken = failed === 0 && (exitCode !== 0 || passed === 0)
  return { passed, failed: broken ? 1 : failed, skipped: count('skip') + count('todo') }
}

/** The failures, the missing peers, each once, and then the line that tools look for. */
export function closingLines(output: string, { passed, failed, skipped }: TestCount): string[] {
  const mentions = output.matchAll(new RegExp(`${MISSING_PEER}([^#\\n]+)`, 'g'))
  const peers = new Set(Array.from(mentions, ([, peer]) => peer?.trim()))
  return [
    ...(failed > 0 ? describeFailures(output) : []),
    ...Array.from(peers, (peer) => `missing peer: ${peer}`),
    `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
  ]
}

/**
 * A log is 30,000 lines long, and what is kept of it may be its end only: what failed is said again
 * there.
 */
function describeFailures(output: string): string[] {
  return failuresIn(output).flatMap(({ fullname, diag }) => [
    `failed: ${fullname}`,
    ...Object.entries(diag ?? {})
      .filter(([name]) => !NOT_SAID_AGAIN.has(name))
      .flatMap(([name, value]) =>
        `${name}: ${typeof value === 'string' ? value : inspect(value)}`.trimEnd().split('\n'),
      )
      .slice(0, MAX_DIAGNOSTIC_LINES)
      .map((line) => `    ${line}`),
  ])
}

const MAX_DIAGNOSTIC_LINES = 60
/** Lines of the test's source, and how its process was started: the repository has them. */
const NOT_SAID_AGAIN: ReadonlySet<string> = new Set(['source', 'args', 'command', 'cwd'])

/**
 * Assertions; a subtest or a file only where none of its assertions failed, as when its process was
 * killed.
 */
function failuresIn(output: string): Result[] {
  const failures: Result[] = []
  const listen = (parser: Parser) =>
    parser.on('child', listen).on('fail', (result: Result) => {
      const isToldOf = failures.some(({ fullname }) => fullname.startsWith(`${result.fullname} > `))
      if (!(result.closingTestPoint && isToldOf)) failures.push(result)
    })
  listen(new Parser()).end(output)
  return failures
}
