import type { RequestEvent } from './request-event.ts'
import { outcomeOf } from './request-outcome.ts'

/**
 * What a request says about its account, if not only good (docs/adr/0042):
 *
 * - `failed`: it would have been served if the account, the proxy, the token and Google were well;
 * - `incomplete`: an upload of which some instances were stored and others were not;
 * - `doubtful`: a success by its status that may be none, or a part;
 * - `rejected`: the request itself is the reason, or the client left;
 * - `warned`: an upload that was stored, with warnings.
 */
export type FailureKind = 'failed' | 'incomplete' | 'doubtful' | 'rejected' | 'warned'

/** Null if all is well. */
export function failureKindOf(event: RequestEvent): FailureKind | null {
  if (!event.failed) return event.doubt ? kindOfDoubt(event) : hasWarnings(event) ? 'warned' : null
  if (isCausedByRequest(event)) return 'rejected'
  const isPartlyStored = outcomeOf(event) === 'incomplete' && (event.instances?.stored ?? 0) > 0
  return isPartlyStored ? 'incomplete' : 'failed'
}

/** A search that Google does not support, and so finds nothing: the client's to correct. */
function kindOfDoubt({ service, status }: RequestEvent): FailureKind {
  return service === 'QIDO-RS' && status === 204 ? 'rejected' : 'doubtful'
}

function hasWarnings({ instances, instancesIdentical = 0 }: RequestEvent): boolean {
  return (instances?.warned ?? 0) > instancesIdentical
}

/**
 * Statuses by which Google refuses to read, search or delete what was requested: it is not there,
 * not in this form, or not a valid request.
 */
const aboutRequest: ReadonlySet<number | null> = new Set([400, 404, 406, 409, 410, 412, 414, 415, 416])

/**
 * No rejected upload is: the examination has not got through, whoever is to blame. Nor is a search
 * for studies to which Google responds that there is no such thing: then the store is gone.
 */
function isCausedByRequest({ layer, status, code, service, route, abortedBy }: RequestEvent): boolean {
  if (layer === 'client') return true
  if (layer === 'proxy') return status !== null && status >= 400 && status < 500
  if (layer !== 'upstream' || code !== undefined || abortedBy !== undefined || service === 'STOW-RS') return false
  if (status === 404 && service === 'QIDO-RS' && route === '/studies') return false
  return aboutRequest.has(status)
}
