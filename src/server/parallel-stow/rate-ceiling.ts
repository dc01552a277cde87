import { setTimeout as delay } from 'node:timers/promises'

/** Milliseconds that a piece may be early: timers are no more exact. */
const toleranceMs = 5

/** Holds the uploads of an account below a rate, all together: pieces have their turn one by one. */
export class RateCeiling {
  /** Null: none. */
  bytesPerSecond: number | null
  /** When all that was let go is through, by `performance.now()`. */
  #freeAt = 0

  constructor(bytesPerSecond: number | null) {
    this.bytesPerSecond = bytesPerSecond
  }

  /** A body no faster than allowed. */
  limited(body: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncIterable<Buffer> | Iterable<Buffer> {
    return this.bytesPerSecond === null ? body : this.#paced(body)
  }

  async *#paced(body: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of body) {
      const now = performance.now()
      const wait = this.#freeAt - now
      this.#freeAt = Math.max(this.#freeAt, now) + (1000 * piece.length) / (this.bytesPerSecond ?? Infinity)
      if (wait > toleranceMs) await delay(wait)
      yield piece
    }
  }
}
