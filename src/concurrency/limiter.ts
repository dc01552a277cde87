import { ProxyError } from '../errors.ts'
import { FairQueue } from './fair-queue.ts'

/** A request's slot at Google, from before it is sent until its response has passed. */
export interface Slot {
  /** @param refused whether Google refused the request because of its load (429, 503) */
  release(refused: boolean): void
}

/** A slot to come. */
export interface QueuedSlot {
  readonly slot: Promise<Slot>
  /** Ends the wait: it rejects with this reason. */
  cancel(why: unknown): void
}

/** Times in milliseconds. */
export interface LimiterSettings {
  readonly maxInFlight: number
  readonly maxPending: number
  readonly queueTimeout: number
}

interface Waiter {
  readonly client: string
  admit(place: Slot): void
  reject(why: unknown): void
}

/** Milliseconds without a refusal after which more may be tried again. */
const cooldownMs = 5_000
/**
 * Milliseconds from one request at a time back to all that are allowed. Google counts its quotas by
 * the minute.
 */
const rampUpMs = 60_000
/** How often (ms) it is looked whether calm has made room, while somebody waits. */
const pollIntervalMs = 1_000
/** Seconds after which a client that found no slot may try again. */
const retryAfterSeconds = 5
/**
 * The part of the slots that there is once more for clients that have none, while another has
 * several.
 */
const newcomersShare = 1 / 4

/**
 * The slots of one service of one account: how many of its requests may be in flight at Google at
 * the same time. A refusal because of load halves them, calm brings them back; so many clients
 * together find the rate that Google's quota allows, instead of storming against it. Who finds no
 * slot waits. The next slot is for a client that has the fewest; and where one client has several
 * and another has none, there are a few more, so that nobody waits for the end of others' long
 * transfers (docs/adr/0029).
 */
export class ConcurrencyLimiter {
  #settings: LimiterSettings
  readonly #queue = new FairQueue<Waiter>()
  /** How many slots each client has. */
  readonly #held = new Map<string, number>()
  #inFlight = 0
  /** Of these: beyond the limit, for clients that had none. */
  #extra = 0
  /** What the last refusal left. */
  #limit: number
  #refusedAt = Number.NEGATIVE_INFINITY
  #looking: NodeJS.Timeout | null = null

  constructor(settings: LimiterSettings) {
    this.#settings = settings
    this.#limit = settings.maxInFlight
  }

  /** Other limits from now on; whoever waits keeps the longest wait that they met. */
  configure(settings: LimiterSettings): void {
    this.#settings = settings
    this.#admit()
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get queued(): number {
    return this.#queue.size
  }

  /** How many may be in flight now. */
  get limit(): number {
    const { maxInFlight: most } = this.#settings
    const calmFor = Math.max(performance.now() - this.#refusedAt - cooldownMs, 0)
    return Math.min(most, this.#limit + Math.floor((calmFor / rampUpMs) * most))
  }

  /** Whether more than half of them are taken. */
  get isHalfUsed(): boolean {
    return this.#inFlight * 2 > this.limit
  }

  /** A slot, if one is free and nobody waits for it. */
  tryAcquire(client: string): Slot | null {
    if (this.#queue.size === 0 && this.#inFlight < this.limit) return this.#place(client, false)
    return !this.#held.has(client) && this.#hasExtra ? this.#place(client, true) : null
  }

  /**
   * A slot, as soon as it is this client's turn. It rejects with a ProxyError `too-busy` after the
   * longest wait, or when others need the room; so does the call itself when too many wait already.
   *
   * @param longest milliseconds to wait at the most, where that is less than what is configured
   */
  acquire(client: string, longest: number): QueuedSlot {
    this.#makeRoomFor(client)
    const { promise: slot, resolve, reject } = Promise.withResolvers<Slot>()
    const refuse = (reason: unknown) => {
      clearTimeout(timer)
      reject(reason)
    }
    const admit = (slot: Slot) => {
      clearTimeout(timer)
      resolve(slot)
    }
    const waiter: Waiter = { client, admit, reject: refuse }
    const cancel = (reason: unknown) => {
      if (this.#queue.remove(client, waiter)) refuse(reason)
    }
    const timer = setTimeout(() => cancel(tooBusy()), Math.min(longest, this.#settings.queueTimeout))
    this.#queue.add(client, waiter)
    this.#admit()
    return { slot, cancel }
  }

  /** Whoever waits with the most gives way: one client can't keep all others out. */
  #makeRoomFor(client: string): void {
    if (this.#queue.size < this.#settings.maxPending) return
    const waiting = this.#queue.makeRoomFor(client)
    if (!waiting) throw tooBusy()
    waiting.reject(tooBusy())
  }

  #place(client: string, isExtra: boolean): Slot {
    this.#inFlight += 1
    this.#held.set(client, (this.#held.get(client) ?? 0) + 1)
    if (isExtra) this.#extra += 1
    const startedAt = performance.now()
    let left = false
    const release = (refused: boolean) => {
      if (left) return
      left = true
      if (refused) this.#lower(startedAt)
      this.#inFlight -= 1
      if (isExtra) this.#extra -= 1
      this.#giveUpOne(client)
      this.#admit()
    }
    return { release }
  }

  #giveUpOne(client: string): void {
    const left = (this.#held.get(client) ?? 1) - 1
    if (left > 0) this.#held.set(client, left)
    else this.#held.delete(client)
  }

  /** Whether a client that has no slot may have one beyond the limit: another has several. */
  get #hasExtra(): boolean {
    return this.#inFlight > this.#held.size && this.#extra < Math.max(1, Math.floor(this.limit * newcomersShare))
  }

  /** Once for all that were in flight together: they met the same quota. */
  #lower(startedAt: number): void {
    if (startedAt < this.#refusedAt) return
    this.#limit = Math.max(1, Math.floor(this.limit / 2))
    this.#refusedAt = performance.now()
  }

  #admit(): void {
    const holds = (client: string) => this.#held.get(client) ?? 0
    while (this.#inFlight < this.limit) {
      const waiting = this.#queue.take(holds)
      if (!waiting) return
      waiting.admit(this.#place(waiting.client, false))
    }
    while (this.#hasExtra) {
      const waiting = this.#queue.take(holds, 0)
      if (!waiting) break
      waiting.admit(this.#place(waiting.client, true))
    }
    // Those in flight may take half an hour: calm alone can make room.
    if (this.#queue.size > 0 && this.limit < this.#settings.maxInFlight) this.#lookLater()
  }

  #lookLater(): void {
    this.#looking ??= setTimeout(() => {
      this.#looking = null
      this.#admit()
    }, pollIntervalMs).unref()
  }
}

function tooBusy(): ProxyError {
  const problem = 'Too many requests of this account are already in flight or queued.'
  const remedy = 'Send fewer at once, or raise DicomWebProxy.Concurrency if Google responds to none of them with 429.'
  return new ProxyError('too-busy', { problem, remedy }, { retryAfter: retryAfterSeconds })
}
