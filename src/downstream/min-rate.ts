import type { UpstreamTimeouts } from '../config/settings.ts'
import { ProxyError } from '../errors.ts'
import type { Inbound } from './inbound.ts'

/** A response on its way to the client. */
type OutgoingResponse = Pick<Inbound, 'response' | 'bytesFlushed' | 'isFlushed' | 'reset'>

type Limits = Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>

/** The period for a body (ms) while other requests wait for its slot at Google. */
const contendedPeriodMs = 10_000

interface Body {
  /** Bytes so far. */
  bytesPassed(): number
  /** Whether other requests wait for its slot. */
  isContended(): boolean
}

/**
 * Watches the rate of a body. A single byte now and then keeps a connection from being idle, but
 * doesn't satisfy this: a body stalls if it brings fewer than `minBodyRate` bytes within `idle`
 * milliseconds, or within ten seconds while other requests wait for its slot.
 */
export class MinRateMonitor {
  readonly #timer: NodeJS.Timeout

  /** @param onStall told at the end of each period that brought less than it should */
  constructor({ idle, minBodyRate }: Limits, { bytesPassed, isContended }: Body, onStall: () => void) {
    const period = Math.min(idle, contendedPeriodMs)
    let beforePeriod = bytesPassed()
    let beforeIdle = beforePeriod
    let elapsed = 0
    this.#timer = setInterval(() => {
      const now = bytesPassed()
      elapsed += period
      const isIdleOver = elapsed >= idle
      if ((isIdleOver && now - beforeIdle < minBodyRate) || (now - beforePeriod < minBodyRate && isContended()))
        onStall()
      beforePeriod = now
      if (!isIdleOver) return
      beforeIdle = now
      elapsed = 0
    }, period)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** How often the client's reading is checked. */
const maxPeriodMs = 1_000

/**
 * Resets a response that the client reads too slowly: on average, at less than the rate of {@link
 * MinRateMonitor}. The proxy can't see the client read: it only sees what the operating system
 * takes, in pieces of up to some MiB, and nothing between them. So each byte that has gone out pays
 * for the time that it may take at that rate, up to `idle` in advance.
 */
export function enforceMinReadRate(inbound: OutgoingResponse, limits: Limits, isContended: () => boolean): void {
  const { response } = inbound
  const { idle, minBodyRate } = limits
  const period = Math.min(idle / 4, maxPeriodMs)
  let before = inbound.bytesFlushed
  const alone = new Credit(idle, minBodyRate / idle, idle)
  const contended = new Credit(Math.min(idle, contendedPeriodMs), minBodyRate / Math.min(idle, contendedPeriodMs), idle)
  const timer = setInterval(() => {
    const now = inbound.bytesFlushed
    const bytes = now - before
    before = now
    // Google causes the delay if nothing waits for the client.
    const time = response.writableLength > 0 ? period : 0
    const isOver = [alone.spend(time, bytes), contended.spend(time, bytes) && isContended()]
    if (time > 0 && isOver.includes(true)) inbound.reset()
  }, period)
  response.once('close', () => clearInterval(timer))
}

/** Time that bytes pay for. */
class Credit {
  #remaining: number
  readonly #rate: number
  readonly #max: number

  /**
   * @param initial milliseconds that there are at the beginning
   * @param rate bytes that pay for a millisecond
   * @param max milliseconds that can be had in advance
   */
  constructor(initial: number, rate: number, max: number) {
    this.#remaining = initial
    this.#rate = rate
    this.#max = max
  }

  /** Whether it is used up. */
  spend(milliseconds: number, bytes: number): boolean {
    this.#remaining = Math.max(Math.min(this.#remaining + bytes / this.#rate, this.#max) - milliseconds, -1)
    return this.#remaining < 0
  }
}

export function clientStalled(): ProxyError {
  return new ProxyError('request-timeout', {
    problem: 'The client stopped sending its body, or sent it too slowly (DicomWebProxy.Timeouts.Idle, MinBodyRate).',
    remedy: 'Check the network between the client and this proxy.',
  })
}

/**
 * Resets a response that is complete here, if no byte of it goes out for so long. From then on only
 * the client delays it: one that stops reading just before the end would keep its connection, and
 * its slot at Google, for ever.
 *
 * @param idle milliseconds
 */
export function flushTimeout(inbound: OutgoingResponse, idle: number): void {
  const { response } = inbound
  response.once('prefinish', () => {
    // Most responses have gone out by then.
    if (inbound.isFlushed) return
    let before = inbound.bytesFlushed
    const timer = setInterval(() => {
      const now = inbound.bytesFlushed
      if (now === before) inbound.reset()
      before = now
    }, idle)
    response.once('close', () => clearInterval(timer))
  })
}
