import { networkFailureOf } from '../../network-failure.ts'
import { NotTried } from './not-tried.ts'
import type { Statement } from './statement.ts'
import type { Group } from './statements.ts'
import { TooManyRequests } from './store-client.ts'
import type { TestStore } from './test-store.ts'

export const statuses = ['same', 'different', 'failed', 'not tried'] as const
export type Status = (typeof statuses)[number]

/** What came of one statement. */
export interface Result {
  readonly statement: Statement
  readonly status: Status
  /** The outcome; or why there is none. */
  readonly seen: string
  readonly milliseconds: number
}

/** Is told of each statement as it is tried. */
export interface Reporter {
  heading(text: string): void
  begin(statement: Statement): (result: Result) => void
}

/**
 * Checks statements one after another. None stops the others; when the signal comes, those that are
 * left are not tried.
 */
export async function tryAll(
  groups: readonly Group[],
  store: TestStore,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<Result[]> {
  const results: Result[] = []
  for (const { title, statements } of groups) {
    reporter.heading(title)
    for (const statement of statements) {
      const end = reporter.begin(statement)
      const result = await tryOne(statement, store, signal)
      results.push(result)
      end(result)
    }
  }
  return results
}

async function tryOne(statement: Statement, store: TestStore, signal: AbortSignal): Promise<Result> {
  const startedAt = performance.now()
  const { status, seen } = await outcomeOf(statement, store, signal)
  return { statement, status, seen, milliseconds: Math.round(performance.now() - startedAt) }
}

async function outcomeOf(
  statement: Statement,
  store: TestStore,
  signal: AbortSignal,
): Promise<Pick<Result, 'status' | 'seen'>> {
  try {
    signal.throwIfAborted()
    const seen = await statement.observe(store)
    return { status: statement.expected.includes(seen) ? 'same' : 'different', seen }
  } catch (error) {
    if (error instanceof NotTried) return { status: 'not tried', seen: error.message }
    if (error instanceof TooManyRequests) return { status: 'not tried', seen: 'too many requests were sent before' }
    if (signal.aborted) return { status: 'not tried', seen: reasonOf(signal) }
    return { status: 'failed', seen: failureWords(error) }
  }
}

function reasonOf({ reason }: AbortSignal): string {
  return reason instanceof DOMException && reason.name === 'TimeoutError'
    ? 'the time for the whole run was over'
    : 'the run was interrupted'
}

/** In our own words: an error's message may name hosts and files. */
function failureWords(error: unknown): string {
  const { code, problem } = networkFailureOf(error)
  if (code !== undefined) return `no usable response: ${problem} (${code})`
  return `unexpected failure (${error instanceof Error ? error.name : typeof error}): please report it`
}
