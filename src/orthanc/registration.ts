import { httpTimeoutSeconds } from './http-timeout.ts'
import { hiddenLogin, type OrthancError } from './orthanc-error.ts'
import type { OrthancRest } from './orthanc-rest.ts'
import { type DesiredEntry, isSameUrl, type Plan, planOf } from './server-entry.ts'

export interface DesiredEntries {
  /** By the name of the account, which is that of the server in Orthanc. */
  readonly entries: ReadonlyMap<string, DesiredEntry>
  /** Orthanc's HttpTimeout in milliseconds; null if it isn't known. */
  readonly httpTimeout: number | null
}

/** Compares Orthanc's DICOMweb servers with what they should be. Changes nothing. */
export async function planRegistration(
  rest: OrthancRest,
  { entries, httpTimeout }: DesiredEntries,
): Promise<readonly Plan[]> {
  const seen = await rest.serverEntries()
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

/**
 * Removes servers that are not desired any more, but none whose Url somebody has changed.
 *
 * @param obsolete address on the proxy, by name
 * @returns the names that it removed
 */
export async function removeServers(
  rest: OrthancRest,
  obsolete: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  if (obsolete.size === 0) return []
  const seen = await rest.serverEntries()
  const own = [...obsolete].filter(([name, url]) => Object.hasOwn(seen, name) && isSameUrl(seen[name]?.Url, url))
  for (const [name] of own) await rest.deleteServer(name)
  return own.map(([name]) => name)
}
