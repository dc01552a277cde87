import type { JobDescription } from './orthanc-job.ts'

/** Jobs in a row that still wait for their turn: those behind them do, too. */
const maxPendingInRow = 100
/** Until all are looked at again (ms), in case that one was begun out of turn. */
const wholeIntervalMs = 600_000

/**
 * Jobs that have not ended, as they were last seen. Orthanc has no list of those that have, and
 * reading thousands that wait for their turn every few seconds would keep it busy with nothing else.
 */
export class UnfinishedJobs {
  readonly #pending = new Map<string, Pick<JobDescription, 'priority' | 'createdAt'>>()
  #wholeAt = Number.NEGATIVE_INFINITY

  /**
   * Looks at those that may have ended since the last time.
   *
   * @param look resolves with what Orthanc says of a job; null if it has forgotten it
   */
  async each(ids: readonly string[], look: (id: string) => Promise<JobDescription | null>): Promise<void> {
    const existing = new Set(ids)
    for (const id of this.#pending.keys()) if (!existing.has(id)) this.#pending.delete(id)
    const isWhole = performance.now() >= this.#wholeAt + wholeIntervalMs
    const waiting = this.#inStartOrder()
    for (const id of ids) if (!this.#pending.has(id)) this.#note(id, await look(id))
    let inRow = 0
    for (const id of waiting) {
      if (inRow >= maxPendingInRow && !isWhole) return
      this.#note(id, await look(id))
      inRow = this.#pending.has(id) ? inRow + 1 : 0
    }
    if (isWhole) this.#wholeAt = performance.now()
  }

  /** As Orthanc begins them. */
  #inStartOrder(): string[] {
    const waiting = [...this.#pending].sort(
      ([, one], [, other]) => other.priority - one.priority || one.createdAt - other.createdAt,
    )
    return waiting.map(([id]) => id)
  }

  #note(id: string, job: JobDescription | null): void {
    if (job?.state === 'Pending') this.#pending.set(id, job)
    else this.#pending.delete(id)
  }
}
