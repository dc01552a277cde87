import { ProxyError } from '../errors.ts'
import { FairQueue } from './fair-queue.ts'

/** A request's slot at Google, from just before it is sent until its response has passed. */
export interface Slot {
  /** @param refused whether Google refused the request because of its load (429, 503) */
  release(refused: boolean): void
}

/** A slot that is waited for. */
export interface QueuedSlot {
  readonly slot: Promise<Slot>
  /** Ends the wait: it rejects with this reason. */
  cancel(reason: unknown): void
}

/** Requests at Google, queued requests, and the current limit without the extra slots. */
export interface LimiterStats {
  readonly inFlight: number
  readonly queued: number
  readonly limit: number
}

/** Limits on concurrent requests to Google, per account and service. */
export interface LimiterSettings {
  /** Slots for all requests. Clients that have none may get a quarter more (`maxExtraShare`). */
  readonly maxInFlight: number
  /** Maximum number of requests in the queue. */
  readonly maxPending: number
  /** How long a request may wait in the queue, in milliseconds. */
  readonly queueTimeout: number
}

interface Waiter {
  readonly client: string
  admit(slot: Slot): void
  reject(reason: unknown): void
}

/** Milliseconds after a refusal until the limit rises again. */
const cooldownMs = 5_000
/** Milliseconds from no slot to all of them. Google counts its quotas by the minute. */
const rampUpMs = 60_000
/** How often (ms) the rising limit is checked while requests are queued. */
const pollIntervalMs = 1_000
/** `Retry-After` for a client that got no slot. */
const retryAfterSeconds = 5
/**
 * Extra slots for clients without one while another client has several, as a share of the limit.
 */
const maxExtraShare = 1 / 4

/**
 * Limits the requests of one service of one account that are in flight at Google, by additive
 * increase and multiplicative decrease (AIMD): a refusal because of load halves the limit, and time
 * without refusals raises it again, so that many clients together find the rate that Google's quota
 * allows. Requests over the limit are queued. The next slot goes to a client that has the fewest;
 * where one client has several and another has none, there are a few extra slots, so that nobody
 * waits for the end of others' long transfers (docs/adr/0029).
 */
export class ConcurrencyLimiter {
  #settings: LimiterSettings
  readonly #queue = new FairQueue<Waiter>()
  /** How many slots each client has. */
  readonly #held = new Map<string, number>()
  #inFlight = 0
  /** How many of these are extra slots. */
  #extra = 0
  /** The limit after the last refusal. */
  #limit: number
  #refusedAt = Number.NEGATIVE_INFINITY
  #pollTimer: NodeJS.Timeout | null = null

  constructor(settings: LimiterSettings) {
    this.#settings = settings
    this.#limit = settings.maxInFlight
  }

  /** Changes the limits. Queued requests keep their queue timeout. */
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

  /** How many may be in flight now, apart from the extra slots. */
  get limit(): number {
    const { maxInFlight } = this.#settings
    const risingForMs = Math.max(performance.now() - this.#refusedAt - cooldownMs, 0)
    return Math.min(maxInFlight, this.#limit + Math.floor((risingForMs / rampUpMs) * maxInFlight))
  }

  /** Whether more than half of the slots are in use. */
  get isOverHalfUsed(): boolean {
    return this.#inFlight * 2 > this.limit
  }

  /** A slot, if one is free and no request is queued for it. */
  tryAcquire(client: string): Slot | null {
    if (this.#queue.size === 0 && this.#inFlight < this.limit) return this.#newSlot(client, false)
    return !this.#held.has(client) && this.#hasExtra ? this.#newSlot(client, true) : null
  }

  /**
   * A slot, as soon as it is this client's turn. It rejects with a ProxyError `too-busy` after the
   * queue timeout, or when it is evicted from the queue; if the queue is full, the call itself
   * throws that.
   *
   * @param maxWaitMs applies if it is less than the queue timeout
   */
  acquire(client: string, maxWaitMs: number): QueuedSlot {
    this.#evictFor(client)
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
    const timer = setTimeout(() => cancel(tooBusy()), Math.min(maxWaitMs, this.#settings.queueTimeout))
    this.#queue.add(client, waiter)
    this.#admit()
    return { slot, cancel }
  }

  /** Evicts a request of the client with the most queued: one client can't fill the queue. */
  #evictFor(client: string): void {
    if (this.#queue.size < this.#settings.maxPending) return
    const evicted = this.#queue.evictFor(client)
    if (!evicted) throw tooBusy()
    evicted.reject(tooBusy())
  }

  #newSlot(client: string, isExtra: boolean): Slot {
    this.#inFlight += 1
    this.#held.set(client, (this.#held.get(client) ?? 0) + 1)
    if (isExtra) this.#extra += 1
    const startedAt = performance.now()
    let isReleased = false
    const release = (refused: boolean) => {
      if (isReleased) return
      isReleased = true
      if (refused) this.#reduceLimit(startedAt)
      this.#inFlight -= 1
      if (isExtra) this.#extra -= 1
      this.#releaseOne(client)
      this.#admit()
    }
    return { release }
  }

  #releaseOne(client: string): void {
    const left = (this.#held.get(client) ?? 1) - 1
    if (left > 0) this.#held.set(client, left)
    else this.#held.delete(client)
  }

  /** Whether a client without a slot may have an extra one: another client has several. */
  get #hasExtra(): boolean {
    return this.#inFlight > this.#held.size && this.#extra < Math.max(1, Math.floor(this.limit * maxExtraShare))
  }

  /**
   * Halves the limit once for all requests that were in flight together: they met the same quota.
   */
  #reduceLimit(startedAt: number): void {
    if (startedAt < this.#refusedAt) return
    this.#limit = Math.max(1, Math.floor(this.limit / 2))
    this.#refusedAt = performance.now()
  }

  #admit(): void {
    const slotsOf = (client: string) => this.#held.get(client) ?? 0
    while (this.#inFlight < this.limit) {
      const next = this.#queue.take(slotsOf)
      if (!next) return
      next.admit(this.#newSlot(next.client, false))
    }
    while (this.#hasExtra) {
      const next = this.#queue.take(slotsOf, 0)
      if (!next) break
      next.admit(this.#newSlot(next.client, true))
    }
    // Requests in flight may take half an hour: meanwhile only the rising limit makes room.
    if (this.#queue.size > 0 && this.limit < this.#settings.maxInFlight) this.#schedulePoll()
  }

  #schedulePoll(): void {
    this.#pollTimer ??= setTimeout(() => {
      this.#pollTimer = null
      this.#admit()
    }, pollIntervalMs).unref()
  }
}

function tooBusy(): ProxyError {
  const problem = 'Too many requests of this account are already in flight or queued.'
  const remedy = 'Send fewer at once, or raise DicomWebProxy.Concurrency if Google responds to none of them with 429.'
  return new ProxyError('too-busy', { problem, remedy }, { retryAfter: retryAfterSeconds })
}
