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

/** Output that breaks off, or that holds no test at all, has at least one failure. */
export function countTests(output: string): TestCount {
  const count = { passed: 0, failed: 0, skipped: 0 }
  const { assertions, isWhole } = readTap(output)
  for (const { ok, skip, todo } of assertions) count[skip || todo ? 'skipped' : ok ? 'passed' : 'failed']++
  return isWhole && assertions.length > 0 ? count : atLeastOneFailed(count)
}

/**
 * Of all files that there were. A run that left out one, or that tested nothing, has one failure.
 */
export function sumOf(counts: readonly TestCount[], files: number): TestCount {
  const sum = (part: keyof TestCount) => counts.reduce((total, count) => total + count[part], 0)
  const count = { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }
  return counts.length < files || count.passed === 0 ? atLeastOneFailed(count) : count
}

export function atLeastOneFailed(count: TestCount): TestCount {
  return { ...count, failed: Math.max(1, count.failed) }
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
  return readTap(output)
    .assertions.filter(isFailure)
    .flatMap(({ fullname, diag }) => [
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
 * Assertions; a subtest or a file only where it failed and none of its assertions did, as when its
 * process was killed.
 */
function readTap(output: string): { assertions: Result[]; isWhole: boolean } {
  const assertions: Result[] = []
  const failed = new Set<string>()
  const listen = (parser: Parser) =>
    parser.on('child', listen).on('assert', (result: Result) => {
      const { fullname, closingTestPoint } = result
      if (closingTestPoint && !(isFailure(result) && !hasFailedIn(failed, fullname))) return
      assertions.push(result)
      if (isFailure(result)) failed.add(fullname)
    })
  const parser = listen(new Parser())
  parser.end(output)
  return { assertions, isWhole: parser.ok }
}

function isFailure({ ok, skip, todo }: Result): boolean {
  return !(ok || skip || todo)
}

function hasFailedIn(failed: ReadonlySet<string>, fullname: string): boolean {
  return [...failed].some((name) => name.startsWith(`${fullname} > `))
}
