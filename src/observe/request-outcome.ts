import type { RequestEvent } from './request-event.ts'

/**
 * How a request ended: completely; with instances not stored; rejected (4xx) or failed (5xx), by
 * Google or the proxy; aborted.
 */
export type RequestOutcome = 'succeeded' | 'incomplete' | 'rejected' | 'failed' | 'aborted'

export function outcomeOf(event: RequestEvent): RequestOutcome {
  if (event.abortedBy) return 'aborted'
  if (!event.failed) return 'succeeded'
  const { status, service, code } = event
  if (status !== null && status >= 500) return 'failed'
  // Google's 409 to an upload: some instances were not stored.
  const isIncomplete = status === null || status < 400 || (service === 'STOW-RS' && status === 409 && !code)
  return isIncomplete ? 'incomplete' : 'rejected'
}
