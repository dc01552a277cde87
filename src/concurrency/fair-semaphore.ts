import { FairQueue } from './fair-queue.ts'

/** Runs few tasks at a time; those who wait take turns by whose they are. */
export class FairSemaphore {
  readonly #atOnce: number
  readonly #maxWaiting: number
  readonly #queue = new FairQueue<() => void>()
  #running = 0

  constructor(limits: { readonly atOnce: number; readonly waiting: number }) {
    this.#atOnce = limits.atOnce
    this.#maxWaiting = limits.waiting
  }

  /** True when no more may wait. */
  get isFull(): boolean {
    return this.#running >= this.#atOnce && this.#queue.size >= this.#maxWaiting
  }

  /** Not to be called when it is full. */
  async run<Result>(whose: string, task: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#atOnce) await new Promise<void>((resolve) => this.#queue.add(whose, resolve))
    else this.#running += 1
    try {
      return await task()
    } finally {
      // Whoever is next takes this one's slot.
      const next = this.#queue.take()
      if (next) next()
      else this.#running -= 1
    }
  }
}
