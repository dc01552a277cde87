import { OrthancError } from './orthanc-error.ts'
import type { OrthancRest } from './orthanc-rest.ts'
import { applyPlan, type DesiredEntries, leftAlone, planRegistration, removeServers } from './registration.ts'
import type { DesiredEntry, Plan } from './server-entry.ts'

/** The outcome of a poll, if there is one to report. */
export type RegistrationEvent =
  | { readonly registered: readonly string[] }
  | { readonly removed: readonly string[] }
  /** An entry that can't be written or removed. Reported once, until what differs changes. */
  | { readonly left: string; readonly error: unknown }
  /** An entry that Orthanc refused; tried again with each poll. */
  | { readonly refused: string; readonly error: unknown }
  /** Entries that can't be used as they are; reported once. */
  | { readonly withoutLogin: readonly string[] }
  /** Reported once, until Orthanc responds again. */
  | { readonly error: unknown }

interface KeepOptions {
  /** Is closed in the end. */
  readonly rest: OrthancRest
  readonly desired: DesiredEntries & { readonly requiresLogin: boolean }
  /** What was written before and is not desired any more, by name. */
  readonly obsolete: ReadonlyMap<string, DesiredEntry>
  readonly onWritten?: (name: string, entry: DesiredEntry) => void
  /** Poll interval in milliseconds; after a failure no more than {@link retryIntervalMs}. */
  readonly interval: number
  /** Milliseconds until entries that are missing are looked for again; then they are added. */
  readonly confirmMs?: number | undefined
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
  readonly #end = new AbortController()
  /**
   * Passwords can't be seen: they are written once, and again when Orthanc was away and may have
   * others by now.
   */
  readonly #passwordsWritten = new Set<string>()
  /** What was reported of entries that were left as they are, by name. */
  readonly #left = new Map<string, string>()
  /** What was reported of entries that Orthanc refused, by name. */
  readonly #refused = new Map<string, string>()
  #reportedLogins = false

  constructor(options: KeepOptions) {
    this.#options = options
  }

  /** From here on nothing is reported. */
  end(): void {
    this.#end.abort()
  }

  /** Whether Orthanc responded. */
  async poll(): Promise<boolean> {
    try {
      const registered = await this.#register()
      const { removed, left } = await removeServers(this.#options.rest, this.#options.obsolete)
      for (const [name, error] of left) this.#reportLeft(name, error.problem, error)
      this.#failing = false
      if (registered.length > 0) this.#report({ registered })
      if (removed.length > 0) this.#report({ removed })
      return true
    } catch (error) {
      this.#passwordsWritten.clear()
      if (!this.#failing) this.#report({ error })
      this.#failing = true
      return false
    }
  }

  async #register(): Promise<readonly string[]> {
    const { rest, desired, confirmMs } = this.#options
    const plans = await planRegistration(rest, desired, { confirmMs, signal: this.#end.signal })
    this.#reportUnusable(plans)
    const isDue = ({ name, action, differences }: Plan) =>
      (action === 'add' || action === 'change') && (differences.length > 0 || !this.#passwordsWritten.has(name))
    const due = plans.filter(isDue)
    const written: string[] = []
    for (const plan of due) if (await this.#write(plan)) written.push(plan.name)
    return written
  }

  /** Resolves with whether Orthanc took the entry: one that it refuses keeps no other from it. */
  async #write(plan: Plan): Promise<boolean> {
    const { name } = plan
    try {
      await applyPlan(this.#options.rest, plan)
    } catch (error) {
      if (!(error instanceof OrthancError) || error.status === 0) throw error
      this.#passwordsWritten.delete(name)
      this.#reportRefused(name, error)
      return false
    }
    this.#refused.delete(name)
    this.#passwordsWritten.add(name)
    const entry = this.#options.desired.entries.get(name)
    if (entry) this.#options.onWritten?.(name, entry)
    return true
  }

  #reportRefused(name: string, error: OrthancError): void {
    if (this.#refused.get(name) !== error.problem) this.#report({ refused: name, error })
    this.#refused.set(name, error.problem)
  }

  #reportUnusable(plans: readonly Plan[]): void {
    for (const plan of plans) {
      if (plan.action !== 'leave') this.#left.delete(plan.name)
      else this.#reportLeft(plan.name, JSON.stringify(plan.differences), leftAlone(this.#options.rest.url, plan))
    }
    const withoutLogin = plans.filter(({ hasLogin }) => !hasLogin).map(({ name }) => name)
    if (this.#options.desired.requiresLogin && withoutLogin.length > 0 && !this.#reportedLogins) {
      this.#reportedLogins = true
      this.#report({ withoutLogin })
    }
  }

  #reportLeft(name: string, reason: string, error: unknown): void {
    if (this.#left.get(name) !== reason) this.#report({ left: name, error })
    this.#left.set(name, reason)
  }

  #report(event: RegistrationEvent): void {
    if (!this.#end.signal.aborted) this.#options.onEvent(event)
  }
}
