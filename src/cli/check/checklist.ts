import { describeError } from '../../observe/serialize-error.ts'
import type { Layer } from './trouble.ts'
import { Skipped, Trouble } from './trouble.ts'

/** One thing that is checked. */
export interface Item {
  readonly layer: Layer
  /** Account, or host; null for all. */
  readonly subject: string | null
  readonly title: string
}

export interface Result extends Item {
  readonly status: 'ok' | 'failed' | 'skipped'
  /** What was found, or why it was not looked for. */
  readonly detail: string
  readonly milliseconds: number
  readonly trouble: Trouble | null
}

/** Who is told of checks as they are made. */
export interface Reporter {
  heading(text: string): void
  begin(item: Item): (result: Result) => void
}

/** Makes checks one after another, and keeps what came of them. */
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
   * Makes one check. `work` resolves with what was found, and rejects with a {@link Trouble} or {@link Skipped}.
   *
   * @returns whether it went well: what depends on it can be looked at
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

  /** Says of a check why it is not made. */
  async skip(item: Item, why: string): Promise<void> {
    await this.check(item, () => Promise.reject(new Skipped(why)))
  }
}

async function outcomeOf(work: () => string | Promise<string>): Promise<Pick<Result, 'status' | 'detail' | 'trouble'>> {
  try {
    return { status: 'ok', detail: await work(), trouble: null }
  } catch (error) {
    if (error instanceof Skipped) return { status: 'skipped', detail: error.message, trouble: null }
    const trouble = error instanceof Trouble ? error : unexpected(error)
    return { status: 'failed', detail: trouble.why, trouble }
  }
}

function unexpected(error: unknown): Trouble {
  const why = `Unexpected failure: ${describeError(error).replaceAll(/(?<!\s)\s*\n\s*/g, ' ')}`
  return new Trouble('unexpected', why, 'Please report it.', { cause: error })
}
