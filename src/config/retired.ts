import type { Flaw, Segment } from './problem.ts'

/**
 * Keys that no longer exist, with what to do instead: a clause that begins with a verb. `*` stands
 * for any name, as in `GoogleCloudPlatform.Accounts.*.SomeKey`.
 */
export const retiredKeys: Readonly<Record<string, string>> = {
  'DicomWebProxy.Workers':
    'remove it; one process is enough for most sites, and for more run several replicas behind a load balancer (docs/operations.md#replicas)',
  'DicomWebProxy.Timeouts.Answer': 'rename it to DicomWebProxy.Timeouts.Response',
  'DicomWebProxy.Timeouts.SearchAnswer': 'rename it to DicomWebProxy.Timeouts.SearchResponse',
  'DicomWebProxy.Timeouts.RequestHead': 'rename it to DicomWebProxy.Timeouts.RequestHeaders',
  'DicomWebProxy.Timeouts.IdleBytes': 'rename it to DicomWebProxy.Timeouts.MinBodyRate',
  'DicomWebProxy.Concurrency.UnderWay': 'rename it to DicomWebProxy.Concurrency.MaxInFlight',
  'DicomWebProxy.Concurrency.Waiting': 'rename it to DicomWebProxy.Concurrency.MaxPending',
  'DicomWebProxy.Concurrency.Wait': 'rename it to DicomWebProxy.Concurrency.QueueTimeout',
  'DicomWebProxy.Retry.Budget': 'rename it to DicomWebProxy.Retry.TotalTimeout',
  'DicomWebProxy.Retry.KeepPerUpload': 'rename it to DicomWebProxy.Retry.BufferPerRequest',
  'DicomWebProxy.Retry.KeepInAll': 'rename it to DicomWebProxy.Retry.BufferTotal',
  'DicomWebProxy.Limits.IdleConnection': 'rename it to DicomWebProxy.Limits.KeepAliveTimeout',
  'DicomWebProxy.Limits.LogLines': 'rename it to DicomWebProxy.Limits.RejectedLogRate',
}

/** The flaw of a key that no longer exists; undefined for other keys. */
export function retiredKey(path: readonly Segment[]): Flaw | undefined {
  const found = Object.entries(retiredKeys).find(([pattern]) => matches(pattern.split('.'), path))
  return found && { problem: 'is retired', remedy: found[1] }
}

function matches(pattern: readonly string[], path: readonly Segment[]): boolean {
  return pattern.length === path.length && pattern.every((segment, at) => segment === '*' || segment === path[at])
}
