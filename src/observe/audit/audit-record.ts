import type { DicomWebService } from '../../config/settings.ts'
import type { RequestEvent } from '../request-event.ts'
import { outcomeOf, type RequestOutcome } from '../request-history.ts'
import type { AnonymousCounts } from './anonymous-audit-limiter.ts'
import type { AuditSubjects, RequestedIds } from './audit-subjects.ts'

/** `pending`: Google has taken a deletion on, and its end was not seen. */
export type AuditOutcome = RequestOutcome | 'pending'

/** One request in the audit trail. The keys are those of docs/audit.md; what is not known has none. */
export interface RequestRecord extends Omit<RequestedIds, 'query'> {
  readonly audit: 'request'
  /** When it ended; ISO 8601. */
  readonly time: string
  readonly requestId: string
  /** The authenticated client's name. */
  readonly client: string | undefined
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
  readonly instancesStored: number | undefined
  readonly instancesFailed: number | undefined
  /** SOP Instance UIDs. */
  readonly stored: readonly string[] | undefined
  readonly failed: readonly string[] | undefined
  /** Instances of the answer that are in neither list. */
  readonly omitted: number | undefined
  readonly bytesReceived: number
  readonly bytesSent: number
}

/** The proxy itself began or ended. */
export interface ActivityRecord {
  readonly audit: 'start' | 'stop'
  readonly time: string
  readonly version: string
}

/** Somebody was refused before there was a request: a connection, or what came on one. */
export interface ConnectionRecord extends RejectedPeer {
  readonly audit: 'connection'
  readonly time: string
  /** What it is called in the log. */
  readonly event: string
  readonly outcome: 'rejected'
}

/** What is known of it. */
export interface RejectedPeer {
  readonly address: string
  readonly requestId?: string | undefined
  readonly status?: number | undefined
  readonly code?: string | undefined
  readonly reason?: string | undefined
}

/** How many requests and connections of strangers were refused within a minute besides those that have a record each. */
export interface RejectionsRecord extends AnonymousCounts {
  readonly audit: 'rejected'
  /** When the minute ended; ISO 8601. */
  readonly time: string
}

export type AuditRecord = RequestRecord | ActivityRecord | ConnectionRecord | RejectionsRecord

/** @param queryValues whether the values of the query are recorded, not its names alone */
export function recordOf(event: RequestEvent, subjects: AuditSubjects, queryValues: boolean): RequestRecord {
  const { query, ...identifiers } = subjects.requested
  const { store, stored, failed, omitted } = subjects
  return {
    audit: 'request',
    time: new Date().toISOString(),
    requestId: event.requestId,
    client: event.client,
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
    instancesStored: event.instances?.stored,
    instancesFailed: event.instances?.failed,
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

/** Without its values: which attributes were matched. In a query that was refused, the names are the client's own words, too. */
function queryOf({ attempts }: RequestEvent, query: string, withValues: boolean): string | undefined {
  if (query === '') return undefined
  if (withValues) return query
  return attempts === 0 ? undefined : query.replaceAll(/=[^&]*/g, '=')
}

/** Such as `cut by client` or `HTTP status 403, service-not-allowed`: no words that could name a patient. */
export function outcomeText({ outcome, status, code, abortedBy }: RequestRecord): string {
  const begun = outcome === 'pending' && 'begun, and its end was not seen'
  return [begun, abortedBy && `cut by ${abortedBy}`, status !== null && `HTTP status ${status}`, code]
    .filter(Boolean)
    .join(', ')
}
