import type { DicomWebService } from '../../config/settings.ts'
import type { RequestEvent } from '../request-event.ts'
import { outcomeOf, type RequestOutcome } from '../request-outcome.ts'
import type { AnonymousCounts } from './anonymous-audit-limiter.ts'
import type { AuditSubjects, RequestedIds } from './audit-subjects.ts'

/** `pending`: Google accepted a deletion, and its completion was not seen. */
export type AuditOutcome = RequestOutcome | 'pending'

/** One request in the audit trail. docs/audit.md lists the keys; unknown values are omitted. */
export interface RequestRecord extends Omit<RequestedIds, 'query'> {
  readonly audit: 'request'
  /** When it ended; ISO 8601. */
  readonly time: string
  readonly requestId: string
  /** The authenticated client's name. */
  readonly client: string | undefined
  /** For whom the client says that it asks. */
  readonly user: string | undefined
  readonly address: string
  readonly account: string | undefined
  /** The account's DICOMweb root at Google. */
  readonly store: string | undefined
  readonly service: DicomWebService | undefined
  readonly method: string
  readonly route: string | undefined
  readonly query: string | undefined
  readonly outcome: AuditOutcome
  readonly status: number | null
  readonly code: string | undefined
  readonly abortedBy: string | undefined
  readonly attempts: number
  /** Of an upload in batches. */
  readonly batches: number | undefined
  readonly batchesFailed: number | undefined
  readonly instancesStored: number | undefined
  readonly instancesFailed: number | undefined
  /** Of those stored: instances that Google had already, just the same. */
  readonly instancesIdentical: number | undefined
  readonly identical: readonly string[] | undefined
  /** SOP Instance UIDs. */
  readonly stored: readonly string[] | undefined
  readonly failed: readonly string[] | undefined
  /** Instances of the response that are in neither list. */
  readonly omitted: number | undefined
  readonly bytesReceived: number
  readonly bytesSent: number
}

/** The proxy started or stopped. */
export interface ActivityRecord {
  readonly audit: 'start' | 'stop'
  readonly time: string
  readonly version: string
}

/** A peer was rejected before there was a valid request. */
export interface ConnectionRecord extends RejectedPeer {
  readonly audit: 'connection'
  readonly time: string
  /** The log message. */
  readonly event: string
  readonly outcome: 'rejected'
}

/** What is known about a rejected peer. */
export interface RejectedPeer {
  readonly address: string
  readonly requestId?: string | undefined
  readonly status?: number | undefined
  readonly code?: string | undefined
  readonly reason?: string | undefined
}

/** Rejections of unauthenticated clients within a minute that have no record of their own. */
export interface RejectionsRecord extends AnonymousCounts {
  readonly audit: 'rejected'
  /** When the minute ended; ISO 8601. */
  readonly time: string
}

export type AuditRecord = RequestRecord | ActivityRecord | ConnectionRecord | RejectionsRecord

/** @param queryValues whether to record the query's values, not only its parameter names */
export function recordOf(event: RequestEvent, subjects: AuditSubjects, queryValues: boolean): RequestRecord {
  const { query, ...identifiers } = subjects.requested
  const { store, stored, failed, already, omitted } = subjects
  return {
    audit: 'request',
    time: new Date().toISOString(),
    requestId: event.requestId,
    client: event.client,
    user: event.user,
    address: event.address,
    account: event.account,
    store,
    service: event.service,
    method: event.method,
    route: event.route,
    ...identifiers,
    query: queryOf(event, query, queryValues),
    outcome: auditOutcomeOf(event),
    status: event.status,
    code: event.code,
    abortedBy: event.abortedBy,
    attempts: event.attempts,
    batches: event.batches?.sent,
    batchesFailed: event.batches?.failed,
    instancesStored: event.instances?.stored,
    instancesFailed: event.instances?.failed,
    instancesIdentical: event.instancesIdentical,
    identical: already.length > 0 ? already : undefined,
    stored: stored.length > 0 ? stored : undefined,
    failed: failed.length > 0 ? failed : undefined,
    omitted: omitted > 0 ? omitted : undefined,
    bytesReceived: event.progress.received,
    bytesSent: event.progress.sent,
  }
}

function auditOutcomeOf(event: RequestEvent): AuditOutcome {
  const outcome = outcomeOf(event)
  return outcome === 'succeeded' && event.isPending ? 'pending' : outcome
}

/**
 * Which attributes were matched, without the values. The names in a rejected query are the client's
 * own text, too.
 */
function queryOf({ attempts }: RequestEvent, query: string, withValues: boolean): string | undefined {
  if (query === '') return undefined
  if (withValues) return query
  return attempts === 0 ? undefined : query.replaceAll(/=[^&]*/g, '=')
}

/**
 * The outcome, such as `aborted by client` or `HTTP status 403, service-not-allowed`: nothing that
 * could identify a patient.
 */
export function outcomeText({ outcome, status, code, abortedBy, batches, batchesFailed }: RequestRecord): string {
  const begun = outcome === 'pending' && 'accepted, completion not seen'
  const lost = Boolean(batchesFailed) && `${batchesFailed} of ${batches} batches failed`
  return [begun, abortedBy && `aborted by ${abortedBy}`, status !== null && `HTTP status ${status}`, code, lost]
    .filter(Boolean)
    .join(', ')
}
