import type { UpstreamTimeouts } from '../config/settings.ts'
import { ProxyError } from '../errors.ts'

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
  constructor(
    { idle, minBodyRate }: Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>,
    { passed, crowded }: Body,
    onStall: () => void,
  ) {
    const period = Math.min(idle, crowdedPeriod)
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

export function clientStalled(): ProxyError {
  return new ProxyError(
    'request-timeout',
    'The client sent its body too slowly, or stopped: DicomWebProxy.Timeouts.Idle and MinBodyRate say how slow it may be. Check the network between it and this proxy.',
  )
}
