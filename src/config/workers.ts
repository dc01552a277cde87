import { availableParallelism } from 'node:os'
import type { Section } from './section.ts'
import type { Settings } from './settings.ts'

/** How many processes serve requests. */
export function workersOf(proxy: Section): number {
  return proxy.text('Workers') === 'auto' ? availableParallelism() : (proxy.number('Workers') ?? 1)
}

/**
 * What one of the workers is to serve by: of each limit that is meant for the proxy as a whole its part, rounded up. What the
 * operating system hands to them in turn needs no common count.
 */
export function shareOf(settings: Settings): Settings {
  const { workers, limits, concurrency, retry } = settings
  const part = (whole: number) => Math.ceil(whole / workers)
  return {
    ...settings,
    limits: {
      ...limits,
      connections: part(limits.connections),
      connectionsPerAddress: part(limits.connectionsPerAddress),
      logLines: part(limits.logLines),
    },
    concurrency: { ...concurrency, underWay: part(concurrency.underWay), waiting: part(concurrency.waiting) },
    retry: { ...retry, keptInAll: part(retry.keptInAll) },
  }
}
