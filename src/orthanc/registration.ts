import type { OrthancRest } from './orthanc-rest.ts'
import { type DesiredEntry, isSameUrl, type Plan, planOf } from './server-entry.ts'

/** By the name of the account, which is that of the server in Orthanc. */
export type DesiredEntries = ReadonlyMap<string, DesiredEntry>

/** Compares Orthanc's DICOMweb servers with what they should be. Changes nothing. */
export async function planRegistration(rest: OrthancRest, desired: DesiredEntries): Promise<readonly Plan[]> {
  const seen = await rest.serverEntries()
  return [...desired].map(([name, entry]) => planOf(name, entry, Object.hasOwn(seen, name) ? seen[name] : undefined))
}

/** Does what a plan says. */
export async function applyPlan(rest: OrthancRest, { name, action, entry }: Plan): Promise<void> {
  if (action !== 'keep') await rest.putServer(name, entry)
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
