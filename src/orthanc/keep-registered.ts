import type { OrthancRest } from './orthanc-rest.ts'
import { applyPlan, type DesiredEntries, planRegistration, removeServers } from './registration.ts'

/** What became of a look at Orthanc, where there is something to tell. */
export type RegistrationEvent =
  | { readonly registered: readonly string[] }
  | { readonly takenOut: readonly string[] }
  /** Told once, until Orthanc answers again. */
  | { readonly error: unknown }

interface KeepOptions {
  /** Is closed in the end. */
  readonly rest: OrthancRest
  readonly wanted: DesiredEntries
  /** What was registered before: addresses on the proxy, by name. */
  readonly unwanted: ReadonlyMap<string, string>
  /** Milliseconds between two looks; after a failure no more than `soon`. */
  readonly interval: number
  readonly onEvent: (event: RegistrationEvent) => void
}

/** Milliseconds until the next look at an Orthanc that did not answer: it may just be starting. */
const soon = 5_000

/**
 * Registers the accounts in Orthanc, and again whenever they are missing there or differ: Orthanc forgets them when it
 * ends. Looks at once, and then ever so often; that Orthanc can't be reached ends nothing.
 */
export function keepRegistered(options: KeepOptions): { close(): Promise<void> } {
  const { rest, interval } = options
  const registration = new Registration(options)
  let timer: NodeJS.Timeout | undefined
  let closed = false
  let looking = Promise.resolve()
  const look = () => {
    looking = registration.look().then((answered) => {
      if (!closed) timer = setTimeout(look, answered ? interval : Math.min(interval, soon)).unref()
    })
  }
  look()
  return {
    async close() {
      closed = true
      clearTimeout(timer)
      registration.end()
      await rest.close()
      await looking
    },
  }
}

class Registration {
  readonly #options: KeepOptions
  #failing = false
  #ended = false
  /** Passwords can't be seen: they are written once, and again when Orthanc was away and may have others by now. */
  #passwordsWritten = false

  constructor(options: KeepOptions) {
    this.#options = options
  }

  /** From here on nothing is told any more. */
  end(): void {
    this.#ended = true
  }

  /** Whether Orthanc answered. */
  async look(): Promise<boolean> {
    try {
      const registered = await this.#register()
      const takenOut = await removeServers(this.#options.rest, this.#options.unwanted)
      this.#failing = false
      if (registered.length > 0) this.#tell({ registered })
      if (takenOut.length > 0) this.#tell({ takenOut })
      return true
    } catch (error) {
      this.#passwordsWritten = false
      if (!this.#failing) this.#tell({ error })
      this.#failing = true
      return false
    }
  }

  async #register(): Promise<readonly string[]> {
    const { rest, wanted } = this.#options
    const plans = await planRegistration(rest, wanted)
    const isDue = ({ action, differences }: (typeof plans)[number]) =>
      action !== 'keep' && (differences.length > 0 || !this.#passwordsWritten)
    const due = plans.filter(isDue)
    for (const plan of due) await applyPlan(rest, plan)
    this.#passwordsWritten = true
    return due.map(({ name }) => name)
  }

  #tell(event: RegistrationEvent): void {
    if (!this.#ended) this.#options.onEvent(event)
  }
}
