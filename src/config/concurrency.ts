import type { Section } from './section.ts'
import type { ConcurrencySettings } from './settings.ts'

/** How many requests are sent at the same time, and how many wait. */
export function concurrencyOf(concurrency: Section): ConcurrencySettings {
  return {
    underWay: concurrency.number('UnderWay') ?? 64,
    waiting: concurrency.number('Waiting') ?? 256,
    // With the tries that follow it must stay below the 60 seconds that Orthanc gives a transfer.
    longestWait: 1000 * (concurrency.number('Wait') ?? 20),
  }
}
