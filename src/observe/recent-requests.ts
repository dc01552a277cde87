import type { RequestEvent } from './request-event.ts'

type Handled = Pick<RequestEvent, 'service' | 'route'>

/** How many of the requests that have ended are remembered; a power of two. */
const size = 1024

/**
 * Which requests have ended lately, as templates: strings that live as long as the program. To remember one costs a few
 * nanoseconds and no garbage.
 */
export class RecentRequests {
  readonly #services: Handled['service'][] = new Array(size).fill(undefined)
  readonly #routes: Handled['route'][] = new Array(size).fill(undefined)
  #ended = 0
  #taken = 0

  ended({ service, route }: Handled): void {
    const at = this.#ended++ & (size - 1)
    this.#services[at] = service
    this.#routes[at] = route
  }

  /** Those that have ended since this was asked last. */
  *take(): Generator<Handled> {
    for (let nth = Math.max(this.#taken, this.#ended - size); nth < this.#ended; nth += 1) {
      const at = nth & (size - 1)
      yield { service: this.#services[at], route: this.#routes[at] }
    }
    this.forget()
  }

  forget(): void {
    this.#taken = this.#ended
  }
}
