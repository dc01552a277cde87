import type { DicomWebService } from '../config/settings.ts'
import type { ErrorCode } from '../errors.ts'
import type { Outcome } from '../forward/exchange.ts'

/** An attempt after which the client has seen nothing yet. */
export type WithoutResponse = Extract<Outcome, { kind: 'buffered' | 'failed' }>

/**
 * Statuses after which Google advises to retry (Cloud Healthcare API, "Request latency and error
 * handling": https://docs.cloud.google.com/healthcare-api/docs/best-practices-latency-error-handling).
 */
const transientStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
/** Statuses by which Google asks to retry an upload (docs/adr/0014). */
const notStoredStatuses: ReadonlySet<number> = new Set([429, 503])
/**
 * No connection, or one that broke before a response. A retry doesn't help against a bad
 * certificate, and waits for a slow server would only add up.
 */
const connectionErrors: ReadonlySet<ErrorCode> = new Set(['upstream-unreachable', 'upstream-reset'])

/** Whether a request may be sent to Google more than once, and after which outcomes. */
export interface RetryPolicy {
  /** Whether another attempt after a response of this status could bring something better. */
  readonly statuses: ReadonlySet<number>
  readonly errors: ReadonlySet<ErrorCode>
}

const none: ReadonlySet<never> = new Set()

/**
 * Reads can be retried, and so can the deletion of an instance. Deleting a study or series begins
 * an operation at Google, and a second one would meet the first. An upload can be retried when
 * Google said that it took nothing, or can't have the whole of it (docs/adr/0014).
 */
export function retryPolicyFor(service: DicomWebService, route: string): RetryPolicy {
  if (service === 'STOW-RS') return { statuses: notStoredStatuses, errors: connectionErrors }
  if (beginsOperation(service, route)) return { statuses: none, errors: none }
  return { statuses: transientStatuses, errors: connectionErrors }
}

/** Whether Google responds at once, and does the work behind its response. */
export function beginsOperation(service: DicomWebService, route: string): boolean {
  return service === 'DELETE' && !route.endsWith('{instance}')
}

export function isRetryable({ statuses, errors }: RetryPolicy, outcome: WithoutResponse): boolean {
  if (!outcome.replayable) return false
  if (outcome.kind === 'buffered') return statuses.has(outcome.response.status)
  return errors.has(outcome.error.code) && !outcome.error.isPermanent
}

/**
 * Google's words for "less at once": 429 when a quota is used up, 503 when it is overloaded itself.
 */
export function isRefusedForLoad(outcome: Outcome): boolean {
  const status =
    outcome.kind === 'buffered' ? outcome.response.status : outcome.kind === 'completed' ? outcome.status : null
  return status === 429 || status === 503
}

const maxDelayMs = 32_000

/**
 * Milliseconds to wait before the next attempt: 1 s doubling to 32 s and up to 1 s at random, as
 * Google advises, or what it asks for in `Retry-After` if that is more.
 *
 * @param attempts that were made already
 */
export function backoffDelay(attempts: number, outcome: WithoutResponse): number {
  return delayAfter(attempts, outcome.kind === 'buffered' ? outcome.response.headers['retry-after'] : undefined)
}

/** @param asked `Retry-After` of the response, if there was one */
export function delayAfter(attempts: number, asked: string | string[] | undefined): number {
  const backoff = Math.min(1000 * 2 ** (attempts - 1), maxDelayMs) + Math.random() * 1000
  return Math.max(backoff, retryAfter(asked))
}

/**
 * Reads `Retry-After`, seconds or a date (RFC 9110 10.2.3), as milliseconds from now; 0 for
 * anything else.
 */
function retryAfter(value: string | string[] | undefined): number {
  if (typeof value !== 'string') return 0
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(wait) ? Math.max(wait, 0) : 0
}
