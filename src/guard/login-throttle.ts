import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** Milliseconds after the last failed try until an address is as good as new. */
const memory = 15 * 60_000
const maxWaitMs = 60_000
/** Guesses at one name during a wait that end the privilege of who is known by it. */
const maxGuesses = 100
/** Tries that may be under way at the same time from an address where none has failed: several clients may begin at once. */
const burst = 16
/** Addresses that are remembered; beyond, those that were quiet longest are forgotten. */
const maxAddresses = 10_000

interface FailedLogins {
  failed: number
  inFlight: number
  /** By `performance.now()`. */
  waitUntil: number
  forgetAt: number
}

/** Counts the failed tries to log in by address, and makes those who fail often wait: twice as long each time. */
export class LoginThrottle {
  readonly #addresses = new LRUCache<string, FailedLogins>({ max: maxAddresses })
  /** How often each name was tried from an address that had to wait, and until when that counts. */
  readonly #guesses = new LRUCache<string, { count: number; until: number }>({ max: maxAddresses })
  /** How many may fail before the waiting begins. */
  free: number

  constructor(free: number) {
    this.free = free
  }

  /** Milliseconds until this address may try again; 0 if it may now. */
  waitOf(address: string): number {
    const tries = this.#addresses.get(address)
    if (!tries) return 0
    const wait = tries.waitUntil - performance.now()
    if (wait > 0) return wait
    // Whatever is under way may fail: many at once must not be cheaper than one after another.
    return tries.inFlight > 0 && tries.inFlight + tries.failed >= this.#maxInFlight(tries) ? 1000 : 0
  }

  #maxInFlight({ failed }: FailedLogins): number {
    return Math.max(this.free, 1) + (failed === 0 ? burst : 0)
  }

  /** To be told of each try from an address that has to wait. */
  guessed(address: string, name: string): void {
    const now = performance.now()
    const key = keyOf(address, name)
    const known = this.#guesses.get(key)
    const guesses = known && known.until > now ? known : { count: 0, until: now + maxWaitMs }
    guesses.count += 1
    this.#guesses.set(key, guesses)
  }

  /** Whether a name was guessed at so often that even who is known by it has to wait, lest its password be found without a hash. */
  isShut(address: string, name: string): boolean {
    const guesses = this.#guesses.size === 0 ? undefined : this.#guesses.get(keyOf(address, name))
    return guesses !== undefined && guesses.count > maxGuesses && guesses.until > performance.now()
  }

  begin(address: string): void {
    const known = this.#addresses.get(address)
    const isOld = known !== undefined && known.inFlight === 0 && known.forgetAt < performance.now()
    const tries = known && !isOld ? known : { failed: 0, inFlight: 0, waitUntil: 0, forgetAt: 0 }
    tries.inFlight += 1
    this.#addresses.set(address, tries)
  }

  end(address: string, { failed }: { failed: boolean }): void {
    const tries = this.#addresses.get(address)
    if (!tries) return
    tries.inFlight -= 1
    if (failed) this.#fail(address, tries)
    else if (tries.failed === 0 && tries.inFlight === 0) this.#addresses.delete(address)
  }

  #fail(address: string, tries: FailedLogins): void {
    tries.failed += 1
    tries.forgetAt = performance.now() + memory
    const beyond = tries.failed - this.free
    if (beyond >= 0) tries.waitUntil = performance.now() + Math.min(1000 * 2 ** beyond, maxWaitMs)
    this.#addresses.set(address, tries)
  }
}

/** Names are a client's own words, of any length. */
function keyOf(address: string, name: string): string {
  return `${address}\n${hash('sha256', name)}`
}
