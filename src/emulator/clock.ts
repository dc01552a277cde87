/** What Google believes the time to be. */
export class Clock {
  /** Milliseconds that it is ahead of this machine's clock. */
  skew = 0

  /** Epoch milliseconds. */
  now(): number {
    return Date.now() + this.skew
  }
}
