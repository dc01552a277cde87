import type { UpstreamTimeouts } from '../config/settings.ts'
import { ProxyError } from '../errors.ts'
import type { Inbound } from './inbound.ts'

/** A response on its way to the client. */
type Sending = Pick<Inbound, 'response' | 'bytesFlushed' | 'reset'>

type Limits = Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>

/** Milliseconds in which a body must make way while others wait for its slot at Google. */
const crowdedPeriodMs = 10_000

interface Body {
  /** Bytes so far. */
  passed(): number
  /** Whether others wait for its slot. */
  crowded(): boolean
}

/**
 * Watches that a body makes way. A single byte now and then keeps a connection from being idle, but
 * not this: fewer than `minBodyRate` within `idle` milliseconds are a stall; within ten seconds
 * already, while others wait for its slot.
 */
export class Pace {
  readonly #timer: NodeJS.Timeout

  /** @param onStall told at the end of each period that brought less than it should */
  constructor({ idle, minBodyRate }: Limits, { passed, crowded }: Body, onStall: () => void) {
    const period = Math.min(idle, crowdedPeriodMs)
    let beforePeriod = passed()
    let beforeIdle = beforePeriod
    let elapsed = 0
    this.#timer = setInterval(() => {
      const now = passed()
      elapsed += period
      const isIdleOver = elapsed >= idle
      if ((isIdleOver && now - beforeIdle < minBodyRate) || (now - beforePeriod < minBodyRate && crowded())) onStall()
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

/** How often it is checked how a client reads. */
const maxPeriodMs = 1_000

/**
 * Resets a response that the client reads too slowly: at less than the rate of {@link Pace}, on
 * average. A client can't be watched read: what is seen is what the operating system takes, in
 * pieces of up to some MiB, and nothing between them. So each byte that has gone out pays for the
 * time that it may take at that rate, up to `idle` in advance.
 */
export function watchReading(inbound: Sending, limits: Limits, crowded: () => boolean): void {
  const { response } = inbound
  const { idle, minBodyRate } = limits
  const period = Math.min(idle / 4, maxPeriodMs)
  let before = inbound.bytesFlushed
  const alone = new Credit(idle, minBodyRate / idle, idle)
  const amongOthers = new Credit(Math.min(idle, crowdedPeriodMs), minBodyRate / Math.min(idle, crowdedPeriodMs), idle)
  const timer = setInterval(() => {
    const now = inbound.bytesFlushed
    const bytes = now - before
    before = now
    // Where nothing waits for the client, the delay is Google's.
    const time = response.writableLength > 0 ? period : 0
    const isOver = [alone.spend(time, bytes), amongOthers.spend(time, bytes) && crowded()]
    if (time > 0 && isOver.includes(true)) inbound.reset()
  }, period)
  response.once('close', () => clearInterval(timer))
}

/** Time that bytes pay for. */
class Credit {
  #left: number
  readonly #rate: number
  readonly #most: number

  /**
   * @param first milliseconds that there are at the beginning
   * @param rate bytes that pay for a millisecond
   * @param most milliseconds that can be had in advance
   */
  constructor(first: number, rate: number, most: number) {
    this.#left = first
    this.#rate = rate
    this.#most = most
  }

  /** Whether it is used up. */
  spend(milliseconds: number, bytes: number): boolean {
    this.#left = Math.max(Math.min(this.#left + bytes / this.#rate, this.#most) - milliseconds, -1)
    return this.#left < 0
  }
}

export function clientStalled(): ProxyError {
  return new ProxyError('request-timeout', {
    problem: 'The client stopped sending its body, or sent it too slowly (DicomWebProxy.Timeouts.Idle, MinBodyRate).',
    remedy: 'Check the network between the client and this proxy.',
  })
}

/**
 * Resets a response when all of it is there, and no byte goes out for so long. From then on nobody
 * else waits for the client: one that stops reading just before the end would keep its connection,
 * and its slot at Google, for ever.
 *
 * @param idle milliseconds
 */
export function flushTimeout(inbound: Sending, idle: number): void {
  const { response } = inbound
  response.once('prefinish', () => {
    // Most responses are out by then.
    if (response.socket?.writableLength === 0) return
    let before = inbound.bytesFlushed
    const timer = setInterval(() => {
      const now = inbound.bytesFlushed
      if (now === before) inbound.reset()
      before = now
    }, idle)
    response.once('close', () => clearInterval(timer))
  })
}
