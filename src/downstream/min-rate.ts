import type { ServerResponse } from 'node:http'
import type { UpstreamTimeouts } from '../config/settings.ts'
import { ProxyError } from '../errors.ts'
import { bytesFlushed } from './bytes-flushed.ts'
import { resetResponse } from './reset-response.ts'

type Limits = Pick<UpstreamTimeouts, 'idle' | 'idleBytes'>

/** Milliseconds in which a body must make way while others wait for its place at Google. */
const crowdedPeriod = 10_000

interface Body {
  /** Bytes so far. */
  passed(): number
  /** Whether others wait for its place. */
  crowded(): boolean
}

/**
 * Watches that a body makes way. A single byte now and then keeps a connection from being idle, but not this: fewer than
 * `idleBytes` within `idle` milliseconds are a stall; within ten seconds already, while others wait for its place.
 */
export class Pace {
  readonly #timer: NodeJS.Timeout

  /** @param onStall told at the end of each period that brought less than it should */
  constructor({ idle, idleBytes }: Limits, { passed, crowded }: Body, onStall: () => void) {
    const period = Math.min(idle, crowdedPeriod)
    let beforePeriod = passed()
    let beforeIdle = beforePeriod
    let elapsed = 0
    this.#timer = setInterval(() => {
      const now = passed()
      elapsed += period
      const isIdleOver = elapsed >= idle
      if ((isIdleOver && now - beforeIdle < idleBytes) || (now - beforePeriod < idleBytes && crowded())) onStall()
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

/** How often (ms) it is looked how a client reads. */
const look = 1_000

/**
 * Breaks an answer off whose client reads it too slowly: at less than the rate of {@link Pace}, on average. A client can't be watched
 * read: what is seen is what the operating system takes, in pieces of up to some MiB, and nothing between them. So each
 * byte that has gone out pays for the time that it may take at that rate, up to `idle` in advance.
 */
export function watchReading(response: ServerResponse, limits: Limits, crowded: () => boolean): void {
  const { idle, idleBytes } = limits
  const period = Math.min(idle / 4, look)
  let before = bytesFlushed(response)
  const alone = new Credit(idle, idleBytes / idle, idle)
  const amongOthers = new Credit(Math.min(idle, crowdedPeriod), idleBytes / Math.min(idle, crowdedPeriod), idle)
  const timer = setInterval(() => {
    const now = bytesFlushed(response)
    const bytes = now - before
    before = now
    // Where nothing waits for the client, the delay is Google's.
    const time = response.writableLength > 0 ? period : 0
    const isOver = [alone.spend(time, bytes), amongOthers.spend(time, bytes) && crowded()]
    if (time > 0 && isOver.includes(true)) resetResponse(response)
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
    problem: 'The client stopped sending its body, or sent it too slowly (DicomWebProxy.Timeouts.Idle, IdleBytes).',
    remedy: 'Check the network between the client and this proxy.',
  })
}
