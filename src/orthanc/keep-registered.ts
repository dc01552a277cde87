import type { OrthancRest } from './orthanc-rest.ts'
import { applyPlan, type DesiredEntries, leftAlone, planRegistration, removeServers } from './registration.ts'
import type { Plan } from './server-entry.ts'

/** The outcome of a poll, if there is one to report. */
export type RegistrationEvent =
  | { readonly registered: readonly string[] }
  | { readonly removed: readonly string[] }
  /** An entry that differs, and can't be written. Reported once, until what differs changes. */
  | { readonly left: string; readonly error: unknown }
  /** Entries that can't be used as they are; reported once. */
  | { readonly withoutLogin: readonly string[] }
  /** Reported once, until Orthanc responds again. */
  | { readonly error: unknown }

interface KeepOptions {
  /** Is closed in the end. */
  readonly rest: OrthancRest
  readonly desired: DesiredEntries & { readonly requiresLogin: boolean }
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
  /** What was reported of entries that were left as they are, by name. */
  readonly #left = new Map<string, string>()
  #reportedLogins = false

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
    this.#reportUnusable(plans)
    const isDue = ({ action, differences }: Plan) =>
      (action === 'add' || action === 'change') && (differences.length > 0 || !this.#passwordsWritten)
    const due = plans.filter(isDue)
    for (const plan of due) await applyPlan(rest, plan)
    this.#passwordsWritten = true
    return due.map(({ name }) => name)
  }

  #reportUnusable(plans: readonly Plan[]): void {
    for (const plan of plans) {
      const reported = plan.action === 'leave' ? JSON.stringify(plan.differences) : ''
      if (reported && this.#left.get(plan.name) !== reported)
        this.#report({ left: plan.name, error: leftAlone(this.#options.rest.url, plan) })
      this.#left.set(plan.name, reported)
    }
    const withoutLogin = plans.filter(({ hasLogin }) => !hasLogin).map(({ name }) => name)
    if (this.#options.desired.requiresLogin && withoutLogin.length > 0 && !this.#reportedLogins) {
      this.#reportedLogins = true
      this.#report({ withoutLogin })
    }
  }

  #report(event: RegistrationEvent): void {
    if (!this.#ended) this.#options.onEvent(event)
  }
}
