import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** Failures of an address are forgotten this long after the last one. */
const forgetAfterMs = 15 * 60_000
const maxWaitMs = 60_000
/**
 * After this many guesses at a name during a delay, its cached login no longer bypasses the
 * throttle.
 */
const maxGuesses = 100
/** Concurrent logins from an address without failures: several clients may start at once. */
const burst = 16
/** Beyond this, the addresses that were quiet longest are forgotten. */
const maxAddresses = 10_000

interface FailedLogins {
  failed: number
  inFlight: number
  /** By `performance.now()`. */
  waitUntil: number
  forgetAt: number
}

/** Counts failed logins by address, and doubles the delay with each further one. */
export class LoginThrottle {
  readonly #addresses = new LRUCache<string, FailedLogins>({ max: maxAddresses })
  /** Guesses at each name from delayed addresses. */
  readonly #guesses = new LRUCache<string, { count: number; until: number }>({ max: maxAddresses })
  /** Failures before delays begin. */
  freeAttempts: number

  constructor(free: number) {
    this.freeAttempts = free
  }

  /** Milliseconds until this address may log in again; 0 if it may now. */
  waitOf(address: string): number {
    const logins = this.#addresses.get(address)
    if (!logins) return 0
    const wait = logins.waitUntil - performance.now()
    if (wait > 0) return wait
    // Logins in flight may all fail: parallel guesses must not be cheaper than sequential ones.
    return logins.inFlight > 0 && logins.inFlight + logins.failed >= this.#maxInFlight(logins) ? 1000 : 0
  }

  #maxInFlight({ failed }: FailedLogins): number {
    return Math.max(this.freeAttempts, 1) + (failed === 0 ? burst : 0)
  }

  /** Call this for each login from a delayed address. */
  guessed(address: string, name: string): void {
    const now = performance.now()
    const key = keyOf(address, name)
    const known = this.#guesses.get(key)
    const guesses = known && known.until > now ? known : { count: 0, until: now + maxWaitMs }
    guesses.count += 1
    this.#guesses.set(key, guesses)
  }

  /**
   * Whether a name was guessed so often that even its cached login is delayed. Otherwise the cache
   * would confirm a right guess without a hash.
   */
  isShut(address: string, name: string): boolean {
    const guesses = this.#guesses.size === 0 ? undefined : this.#guesses.get(keyOf(address, name))
    return guesses !== undefined && guesses.count > maxGuesses && guesses.until > performance.now()
  }

  begin(address: string): void {
    const known = this.#addresses.get(address)
    const isOld = known !== undefined && known.inFlight === 0 && known.forgetAt < performance.now()
    const logins = known && !isOld ? known : { failed: 0, inFlight: 0, waitUntil: 0, forgetAt: 0 }
    logins.inFlight += 1
    this.#addresses.set(address, logins)
  }

  end(address: string, { failed }: { failed: boolean }): void {
    const logins = this.#addresses.get(address)
    if (!logins) return
    logins.inFlight -= 1
    if (failed) this.#fail(address, logins)
    else if (logins.failed === 0 && logins.inFlight === 0) this.#addresses.delete(address)
  }

  #fail(address: string, logins: FailedLogins): void {
    logins.failed += 1
    logins.forgetAt = performance.now() + forgetAfterMs
    const beyond = logins.failed - this.freeAttempts
    if (beyond >= 0) logins.waitUntil = performance.now() + Math.min(1000 * 2 ** beyond, maxWaitMs)
    this.#addresses.set(address, logins)
  }
}

/** Hashed, because names come from clients and may be of any length. */
function keyOf(address: string, name: string): string {
  return `${address}\n${hash('sha256', name)}`
}
