import { DiagnosedError } from '../../errors.ts'
import { describeError } from '../../observe/serialize-error.ts'

/** A check that can't be made, or need not; its message says why. */
export class Skipped extends Error {}

/** One thing that is checked. */
export interface Item {
  readonly layer: Layer
  /** Account, or host; null for all. */
  readonly subject: string | null
  readonly title: string
}

export interface Result extends Item {
  readonly status: 'ok' | 'failed' | 'skipped'
  /** What was found, the problem, or why the check was skipped. */
  readonly detail: string
  readonly milliseconds: number
  readonly failure: DiagnosedError | null
}

/** Is told of each check as it is made. */
export interface Reporter {
  heading(text: string): void
  begin(item: Item): (result: Result) => void
}

/** Makes checks one after another, and keeps their results. */
export class Checklist {
  readonly #reporter: Reporter
  readonly results: Result[] = []

  constructor(reporter: Reporter) {
    this.#reporter = reporter
  }

  heading(text: string): void {
    this.#reporter.heading(text)
  }

  /**
   * Makes one check. `work` resolves with what was found, and rejects with a {@link DiagnosedError}
   * or {@link Skipped}.
   *
   * @returns whether it succeeded: what depends on it can be checked
   */
  async check(item: Item, work: () => string | Promise<string>): Promise<boolean> {
    const end = this.#reporter.begin(item)
    const startedAt = performance.now()
    const outcome = await outcomeOf(work)
    const milliseconds = Math.round(performance.now() - startedAt)
    const result = { ...item, ...outcome, milliseconds }
    this.results.push(result)
    end(result)
    return result.status === 'ok'
  }

  async skip(item: Item, reason: string): Promise<void> {
    await this.check(item, () => Promise.reject(new Skipped(reason)))
  }
}

async function outcomeOf(work: () => string | Promise<string>): Promise<Pick<Result, 'status' | 'detail' | 'failure'>> {
  try {
    return { status: 'ok', detail: await work(), failure: null }
  } catch (error) {
    if (error instanceof Skipped) return { status: 'skipped', detail: error.message, failure: null }
    const failure = error instanceof DiagnosedError ? error : unexpected(error)
    return { status: 'failed', detail: failure.problem, failure }
  }
}

function unexpected(error: unknown): DiagnosedError {
  const problem = `Unexpected failure: ${describeError(error).replaceAll(/(?<!\s)\s*\n\s*/g, ' ')}`
  return new DiagnosedError({ code: 'unexpected', problem, remedy: 'Report it.' }, { cause: error })
}

/**
 * Where a problem is. In this order, the first is the cause of what follows, and gives the exit
 * code.
 */
export const layers = ['configuration', 'network', 'clock', 'credential', 'store', 'proxy', 'orthanc'] as const
export type Layer = (typeof layers)[number]
