import type { UpstreamTimeouts } from '../config/settings.ts'
import { ProxyError } from '../errors.ts'

/**
 * Watches that a body makes way. A single byte now and then keeps a connection from being idle, but not this: fewer than
 * `idleBytes` within `idle` milliseconds are a stall.
 */
export class Pace {
  readonly #timer: NodeJS.Timeout

  /**
   * @param passed bytes of the body so far
   * @param onStall told at the end of each period that brought less than it should
   */
  constructor(
    { idle, idleBytes }: Pick<UpstreamTimeouts, 'idle' | 'idleBytes'>,
    passed: () => number,
    onStall: () => void,
  ) {
    let before = passed()
    this.#timer = setInterval(() => {
      const now = passed()
      if (now - before < idleBytes) onStall()
      before = now
    }, idle)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

export function clientStalled(): ProxyError {
  return new ProxyError(
    'request-timeout',
    'The client sent its body too slowly, or stopped: DicomWebProxy.Timeouts.Idle and IdleBytes say how slow it may be. Check the network between it and this proxy.',
  )
}
