import type { OrthancRest } from './orthanc-rest.ts'
import { carryOut, plansFor, type WantedEntries } from './registration.ts'

/** What became of a look at Orthanc. */
export type RegistrationEvent =
  | { readonly registered: readonly string[] }
  /** Told once, until Orthanc answers again. */
  | { readonly error: unknown }

interface KeepOptions {
  readonly rest: OrthancRest
  readonly wanted: WantedEntries
  /** Milliseconds between two looks. */
  readonly interval: number
  readonly onEvent: (event: RegistrationEvent) => void
}

/**
 * Registers the accounts in Orthanc, and again whenever they are missing there or differ: Orthanc forgets them when it
 * ends. Looks at once, and then ever so often; that Orthanc can't be reached ends nothing.
 */
export function keepRegistered({ rest, wanted, interval, onEvent }: KeepOptions): { close(): Promise<void> } {
  let timer: NodeJS.Timeout | null = null
  let closed = false
  let failing = false
  /** Whether the passwords have been written, which can't be read. */
  let passwordsWritten = false

  async function look(): Promise<void> {
    try {
      const plans = await plansFor(rest, wanted)
      const due = plans.filter(
        ({ action, differences }) => action !== 'keep' && (differences.length > 0 || !passwordsWritten),
      )
      for (const plan of due) await carryOut(rest, plan)
      passwordsWritten = true
      failing = false
      if (due.length > 0) onEvent({ registered: due.map(({ name }) => name) })
    } catch (error) {
      // A restarted Orthanc may have another password for us in its own configuration.
      passwordsWritten = false
      if (!failing && !closed) onEvent({ error })
      failing = true
    }
    if (!closed) timer = setTimeout(() => void look(), interval).unref()
  }

  void look()
  return {
    async close() {
      closed = true
      if (timer) clearTimeout(timer)
      await rest.close()
    },
  }
}
