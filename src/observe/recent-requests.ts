import type { RequestEvent } from './request-event.ts'

type Handled = Pick<RequestEvent, 'service' | 'route'>

/** A power of two. */
const capacity = 1024

/**
 * The requests that ended recently, as route templates, which live as long as the program. Adding
 * one costs a few nanoseconds and no garbage.
 */
export class RecentRequests {
  readonly #services: Handled['service'][] = new Array(capacity).fill(undefined)
  readonly #routes: Handled['route'][] = new Array(capacity).fill(undefined)
  #ended = 0
  #read = 0

  ended({ service, route }: Handled): void {
    const at = this.#ended++ & (capacity - 1)
    this.#services[at] = service
    this.#routes[at] = route
  }

  /** Those that ended since the last call. */
  *take(): Generator<Handled> {
    for (let nth = Math.max(this.#read, this.#ended - capacity); nth < this.#ended; nth += 1) {
      const at = nth & (capacity - 1)
      yield { service: this.#services[at], route: this.#routes[at] }
    }
    this.forget()
  }

  forget(): void {
    this.#read = this.#ended
  }
}
