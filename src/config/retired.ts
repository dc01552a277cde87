import type { Segment } from './problem.ts'

/**
 * Keys that no longer exist, and what to do instead: a sentence without its full stop that begins with
 * a verb. `*` stands for any name: `GoogleCloudPlatform.Accounts.*.SomeKey`.
 */
export const retiredKeys: Readonly<Record<string, string>> = {
  'DicomWebProxy.Workers':
    'remove it; one process is enough for most sites, and for more run several replicas behind a load balancer (docs/operations.md#replicas)',
}

/** The message for a key that no longer exists; undefined for any other key. */
export function retiredKey(path: readonly Segment[]): string | undefined {
  const found = Object.entries(retiredKeys).find(([pattern]) => matches(pattern.split('.'), path))
  return found && `is retired: ${found[1]}`
}

function matches(pattern: readonly string[], path: readonly Segment[]): boolean {
  return pattern.length === path.length && pattern.every((segment, at) => segment === '*' || segment === path[at])
}
