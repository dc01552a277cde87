import type { Section } from './section.ts'
import type { RetrySettings } from './settings.ts'

const mebibyte = 1024 * 1024

/** When and how much of a request is kept to be sent again. */
export function retryOf(retry: Section): RetrySettings {
  return {
    // Orthanc gives a transfer 60 seconds unless it is told otherwise: the last try should begin well before.
    budget: 1000 * (retry.number('Budget') ?? 45),
    keptPerUpload: retry.number('KeepPerUpload') ?? mebibyte,
    keptInAll: retry.number('KeepInAll') ?? 64 * mebibyte,
  }
}
