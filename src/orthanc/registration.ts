import { setTimeout as delay } from 'node:timers/promises'
import { httpTimeoutSeconds } from './http-timeout.ts'
import { hiddenLogin, notRemoved, type OrthancError } from './orthanc-error.ts'
import type { OrthancRest } from './orthanc-rest.ts'
import { type DesiredEntry, isSameUrl, notRestorable, type Plan, planOf } from './server-entry.ts'

export interface DesiredEntries {
  /** By the name of the account, which is that of the server in Orthanc. */
  readonly entries: ReadonlyMap<string, DesiredEntry>
  /** Orthanc's HttpTimeout in milliseconds; null if it isn't known. */
  readonly httpTimeout: number | null
}

/** An Orthanc that has just started responds, for about a millisecond, as if it had no servers. */
const confirmMs = 1_000

interface PlanOptions {
  /** Milliseconds until missing entries are looked for again. */
  readonly confirmMs?: number | undefined
  readonly signal?: AbortSignal
}

/**
 * Compares Orthanc's DICOMweb servers with what they should be. Changes nothing. An entry counts as
 * missing only if it still is after a moment: to add it would overwrite one that was being loaded.
 */
export async function planRegistration(
  rest: OrthancRest,
  { entries, httpTimeout }: DesiredEntries,
  options: PlanOptions = {},
): Promise<readonly Plan[]> {
  let seen = await rest.serverEntries()
  if ([...entries.keys()].some((name) => !Object.hasOwn(seen, name))) {
    await delay(options.confirmMs ?? confirmMs, undefined, { signal: options.signal })
    seen = await rest.serverEntries()
  }
  const version = httpTimeout === 0 ? (await rest.system()).Version : null
  const seconds = httpTimeoutSeconds(httpTimeout, version)
  return [...entries].map(([name, entry]) =>
    planOf(name, entry, Object.hasOwn(seen, name) ? seen[name] : undefined, seconds),
  )
}

/** Does what a plan says. Rejects where that would destroy what Orthanc doesn't show. */
export async function applyPlan(rest: OrthancRest, plan: Plan): Promise<void> {
  if (plan.action === 'leave') throw leftAlone(rest.url, plan)
  if (plan.action !== 'keep') await rest.putServer(plan.name, plan.entry)
}

/** Why an entry was left as it is. */
export function leftAlone(url: string, { name, hidden, differences }: Plan): OrthancError {
  const changes = differences.map(({ key, from, to }) => `${key}: ${from} -> ${to}`)
  return hiddenLogin(url, name, hidden, changes.join(', '))
}

interface Removal {
  readonly removed: readonly string[]
  /** Errors that tell why an entry was left, by name. */
  readonly left: ReadonlyMap<string, OrthancError>
}

/**
 * Removes servers that are not desired any more, but none whose Url somebody has changed, and none
 * that has something that could not be restored.
 *
 * @param obsolete what was written into them, by name
 */
export async function removeServers(rest: OrthancRest, obsolete: ReadonlyMap<string, DesiredEntry>): Promise<Removal> {
  const removed: string[] = []
  const left = new Map<string, OrthancError>()
  const seen = obsolete.size === 0 ? {} : await rest.serverEntries()
  for (const [name, written] of obsolete) {
    const entry = Object.hasOwn(seen, name) ? seen[name] : undefined
    if (!entry || !isSameUrl(entry.Url, written.url)) continue
    const own = notRestorable(entry, written)
    if (own.length > 0) {
      left.set(name, notRemoved(rest.url, name, own))
      continue
    }
    await rest.deleteServer(name)
    removed.push(name)
  }
  return { removed, left }
}
