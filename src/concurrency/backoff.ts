const minDelayMs = 1_000
const maxDelayMs = 30_000

/**
 * Waiting times between failed attempts: 1 s doubling to 30 s, each shortened by up to a quarter at
 * random.
 */
export class Backoff {
  #failures = 0
  /** On the monotonic clock: a changed wall clock must not stop the attempts. */
  #nextAttemptAt = 0

  /** Milliseconds until the next attempt may start; 0 when it may start now. */
  remaining(): number {
    return Math.max(this.#nextAttemptAt - performance.now(), 0)
  }

  failed(): void {
    const delay = Math.min(minDelayMs * 2 ** this.#failures, maxDelayMs)
    this.#failures += 1
    // Jitter keeps many proxies from asking an issuer that comes back all at the same moment.
    this.#nextAttemptAt = performance.now() + delay * (1 - Math.random() / 4)
  }

  succeeded(): void {
    this.#failures = 0
    this.#nextAttemptAt = 0
  }
}
