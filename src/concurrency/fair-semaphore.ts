import { FairQueue } from './fair-queue.ts'

/**
 * Runs a limited number of tasks at a time; the others are queued, fairly by key ({@link
 * FairQueue}).
 */
export class FairSemaphore {
  readonly #maxInFlight: number
  readonly #maxPending: number
  readonly #queue = new FairQueue<() => void>()
  #inFlight = 0

  constructor(limits: { readonly maxInFlight: number; readonly maxPending: number }) {
    this.#maxInFlight = limits.maxInFlight
    this.#maxPending = limits.maxPending
  }

  /** True when no more may be queued. */
  get isFull(): boolean {
    return this.#inFlight >= this.#maxInFlight && this.#queue.size >= this.#maxPending
  }

  /** Don't call this when it is full. */
  async run<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    if (this.#inFlight >= this.#maxInFlight) await new Promise<void>((resolve) => this.#queue.add(key, resolve))
    else this.#inFlight += 1
    try {
      return await task()
    } finally {
      // The next one takes over this slot.
      const next = this.#queue.take()
      if (next) next()
      else this.#inFlight -= 1
    }
  }
}
