import type { Outcome } from './faults.ts'
import type { Service } from './services.ts'

/** Orthanc's text for most failures. */
export const anyFailure = 'Error in the network protocol'

/**
 * Its texts for the statuses that it distinguishes, except for retrievals (Orthanc 1.10 with
 * DICOMweb plugin 1.7).
 */
export const statusWords: Readonly<Record<number, string>> = {
  400: 'Bad request',
  403: 'Bad credentials were provided to an HTTP request',
  404: 'Unknown resource',
  429: 'Parameter out of range',
}

/**
 * What Orthanc's user reads, of the job or of the request, when its request to the proxy has this
 * outcome. Null where that depends on timing: of the response to a deletion Orthanc reads the
 * headers only, and the connection may or may not be reset by then.
 */
export function seenInOrthanc(service: Service, outcome: Outcome): string | null {
  const isDelete = service.startsWith('DELETE')
  if (outcome.startsWith('cut')) return isDelete ? null : anyFailure
  const status = Number(outcome.slice(0, 3))
  if (outcome.includes('of another kind'))
    return isDelete ? 'Success' : service === 'WADO-RS' ? anyFailure : 'Bad file format'
  if (status < 300) return outcome.includes('failed') ? anyFailure : 'Success'
  return (service !== 'WADO-RS' && statusWords[status]) || anyFailure
}
