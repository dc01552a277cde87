import { LRUCache } from 'lru-cache'

/** Milliseconds after the last failed try until an address is as good as new. */
const memory = 15 * 60_000
const longestWait = 60_000
/** Tries during a wait that end the privilege of those who are known. */
const mostDuringWait = 100
/** Addresses that are remembered; beyond, those that were quiet longest are forgotten. */
const mostAddresses = 10_000

interface Tries {
  failed: number
  underWay: number
  /** By `performance.now()`. */
  waitUntil: number
  /** Since the wait began. */
  duringWait: number
  forgetAt: number
}

/** Counts the failed tries to log in by address, and makes those who fail often wait: twice as long each time. */
export class FailedTries {
  readonly #addresses = new LRUCache<string, Tries>({ max: mostAddresses })
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
    if (wait > 0) {
      tries.duringWait += 1
      return wait
    }
    // Whatever is under way may fail: many at once must not be cheaper than one after another.
    return tries.underWay > 0 && tries.underWay + tries.failed >= Math.max(this.free, 1) ? 1000 : 0
  }

  /** Whether so many tries came during the wait that even those who are known have to wait, lest they be found by guessing. */
  isShut(address: string): boolean {
    const tries = this.#addresses.size === 0 ? undefined : this.#addresses.get(address)
    return tries !== undefined && tries.duringWait > mostDuringWait && tries.waitUntil > performance.now()
  }

  begin(address: string): void {
    const known = this.#addresses.get(address)
    const isOld = known !== undefined && known.underWay === 0 && known.forgetAt < performance.now()
    const tries = known && !isOld ? known : { failed: 0, underWay: 0, waitUntil: 0, duringWait: 0, forgetAt: 0 }
    tries.underWay += 1
    this.#addresses.set(address, tries)
  }

  end(address: string, { failed }: { failed: boolean }): void {
    const tries = this.#addresses.get(address)
    if (!tries) return
    tries.underWay -= 1
    if (failed) this.#fail(address, tries)
    else if (tries.failed === 0 && tries.underWay === 0) this.#addresses.delete(address)
  }

  #fail(address: string, tries: Tries): void {
    tries.failed += 1
    tries.forgetAt = performance.now() + memory
    const beyond = tries.failed - this.free
    if (beyond >= 0) {
      tries.waitUntil = performance.now() + Math.min(1000 * 2 ** beyond, longestWait)
      tries.duringWait = 0
    }
    this.#addresses.set(address, tries)
  }
}
