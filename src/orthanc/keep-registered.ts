import type { OrthancRest } from './orthanc-rest.ts'
import { applyPlan, type DesiredEntries, planRegistration, removeServers } from './registration.ts'

/** The outcome of a poll, if there is one to report. */
export type RegistrationEvent =
  | { readonly registered: readonly string[] }
  | { readonly removed: readonly string[] }
  /** Reported once, until Orthanc responds again. */
  | { readonly error: unknown }

interface KeepOptions {
  /** Is closed in the end. */
  readonly rest: OrthancRest
  readonly desired: DesiredEntries
  /** What was registered before: addresses on the proxy, by name. */
  readonly obsolete: ReadonlyMap<string, string>
  /** Poll interval in milliseconds; after a failure no more than {@link retryIntervalMs}. */
  readonly interval: number
  readonly onEvent: (event: RegistrationEvent) => void
}

/** For an Orthanc that did not respond: it may just be starting. */
const retryIntervalMs = 5_000

/**
 * Registers the accounts in Orthanc, and again whenever they are missing there or differ: Orthanc
 * forgets them when it ends. Polls at once, and then at the interval, also while Orthanc can't be
 * reached.
 */
export function keepRegistered(options: KeepOptions): { close(): Promise<void> } {
  const { rest, interval } = options
  const registration = new RegistrationLoop(options)
  let timer: NodeJS.Timeout | undefined
  let closed = false
  let polling = Promise.resolve()
  const poll = () => {
    polling = registration.poll().then((responded) => {
      if (!closed) timer = setTimeout(poll, responded ? interval : Math.min(interval, retryIntervalMs)).unref()
    })
  }
  poll()
  return {
    async close() {
      closed = true
      clearTimeout(timer)
      registration.end()
      await rest.close()
      await polling
    },
  }
}

class RegistrationLoop {
  readonly #options: KeepOptions
  #failing = false
  #ended = false
  /**
   * Passwords can't be seen: they are written once, and again when Orthanc was away and may have
   * others by now.
   */
  #passwordsWritten = false

  constructor(options: KeepOptions) {
    this.#options = options
  }

  /** From here on nothing is reported. */
  end(): void {
    this.#ended = true
  }

  /** Whether Orthanc responded. */
  async poll(): Promise<boolean> {
    try {
      const registered = await this.#register()
      const removed = await removeServers(this.#options.rest, this.#options.obsolete)
      this.#failing = false
      if (registered.length > 0) this.#report({ registered })
      if (removed.length > 0) this.#report({ removed })
      return true
    } catch (error) {
      this.#passwordsWritten = false
      if (!this.#failing) this.#report({ error })
      this.#failing = true
      return false
    }
  }

  async #register(): Promise<readonly string[]> {
    const { rest, desired } = this.#options
    const plans = await planRegistration(rest, desired)
    const isDue = ({ action, differences }: (typeof plans)[number]) =>
      action !== 'keep' && (differences.length > 0 || !this.#passwordsWritten)
    const due = plans.filter(isDue)
    for (const plan of due) await applyPlan(rest, plan)
    this.#passwordsWritten = true
    return due.map(({ name }) => name)
  }

  #report(event: RegistrationEvent): void {
    if (!this.#ended) this.#options.onEvent(event)
  }
}
