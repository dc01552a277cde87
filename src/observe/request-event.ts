import { randomUUID } from 'node:crypto'
import type { DicomWebService } from '../config/settings.ts'
import type { ErrorCode, Explanation, Layer } from '../errors.ts'
import type { AuditSubjects } from './audit/audit-subjects.ts'
import type { Log } from './logger.ts'
import type { RequestTrace } from './tracing.ts'

/** The outcome of an upload's instances, by Google's response. */
export interface InstanceCounts {
  readonly stored: number
  readonly failed: number
  /** Stored instances that Google changed or warned about. */
  readonly warned: number
}

/** The progress of an upload that is sent in batches. */
export interface BatchCounts {
  /** Batches that were begun. */
  sent: number
  /** Requests that repeated one of them. */
  repeated: number
  /** Requests at Google now. */
  inFlight: number
  /** Instances that have arrived. */
  instances: number
  /** Batches that failed for good. */
  failed: number
}

/** What an upload in batches failed by, as far as the whole of it is known. */
export interface BatchFailures {
  /** Statuses of Google's and codes of the proxy's by which batches failed for good. */
  readonly causes: ReadonlySet<number | ErrorCode>
  /** Instances that Google refused in its responses, or didn't name in them and doesn't have. */
  readonly refused: number
}

/**
 * The phase of a request: waiting for a token or a slot; sent to Google, without a response yet; or
 * the response is being sent to the client.
 */
export type RequestPhase = 'waiting' | 'sent' | 'responding'

/**
 * One request and its outcome. The logged part contains no identifier of a patient, study, series
 * or instance, and no header.
 */
export class RequestEvent {
  readonly requestId = randomUUID()
  /** The peer's address. */
  readonly address: string
  /** The authenticated client's name; undefined without authentication. */
  client: string | undefined
  /** For whom the client says that it asks; undefined if it doesn't say. */
  user: string | undefined
  readonly method: string
  readonly httpVersion: string
  account: string | undefined
  service: DicomWebService | undefined
  route: string | undefined
  /** The status that the client got; null if it got none. */
  status: number | null = null
  /** The error code, if the proxy itself responded. */
  code: ErrorCode | undefined
  /** The layer that caused a failure, and what to do. */
  layer: Layer | undefined
  detail: string | undefined
  /** Details of a rejection that the client must not see. */
  reason: string | undefined
  /** Google's message for a failure, redacted. */
  googleMessage: string | undefined
  /** The reason that it gives, such as SERVICE_DISABLED, and the project that it names. */
  googleReason: string | undefined
  googleProject: string | undefined
  /**
   * That the request was sent with, from the configuration, a variable or the credential's file.
   */
  quotaProject: string | null | undefined
  /** Why a success by its status may be none; null or undefined without doubt. */
  doubt: Explanation | null | undefined
  /** Undefined unless this is an upload with a complete, readable response. */
  instances: InstanceCounts | undefined
  /** The side that aborted the request or the response. */
  abortedBy: 'client' | 'upstream' | 'proxy' | undefined
  /** Google goes on with the operation after its response, and its completion was not seen. */
  isPending = false
  /** For the audit trail only; null without one. */
  readonly subjects: AuditSubjects | null
  /** Null before and without authentication: unauthenticated clients cause no traces. */
  trace: RequestTrace | null = null
  /** Number of times the request was sent to Google. */
  attempts = 0
  /** Undefined if this is no upload in batches. */
  batches: BatchCounts | undefined
  /** Undefined if nothing of such an upload failed, or not all of it was read. */
  batchFailures: BatchFailures | undefined
  /** Of an upload: instances that Google refused because it has just the same. */
  instancesIdentical: number | undefined
  /** Of an upload in batches: instances that Google's responses didn't name, and were looked up. */
  instancesNotNamed: number | undefined
  /** Rows that the proxy read to complete a search; undefined for other requests. */
  rowsRead: number | undefined
  /** Content-Length of an upload; undefined without one. */
  expected: number | undefined
  readonly progress = { received: 0, sent: 0, firstByteAt: null as number | null }
  readonly #startedAt = performance.now()
  #tokenAt: number | null = null

  constructor(address: string, method: string, subjects: AuditSubjects | null = null, httpVersion = '1.1') {
    this.address = address
    this.method = method
    this.httpVersion = httpVersion
    this.subjects = subjects
  }

  /** The client that the fair queue counts the request for. */
  get fairnessKey(): string {
    return this.client === undefined ? this.address : `client ${this.client}`
  }

  tokenReceived(): void {
    this.#tokenAt ??= performance.now()
  }

  /** @param sopInstanceUids of instances that Google has just as they were sent */
  identical(sopInstanceUids: readonly string[]): void {
    if (sopInstanceUids.length === 0) return
    this.instancesIdentical = (this.instancesIdentical ?? 0) + sopInstanceUids.length
    this.subjects?.identical(sopInstanceUids)
  }

  notNamed(count: number): void {
    if (count > 0) this.instancesNotNamed = (this.instancesNotNamed ?? 0) + count
  }

  get phase(): RequestPhase {
    if (this.progress.sent > 0) return 'responding'
    return this.attempts > 0 ? 'sent' : 'waiting'
  }

  /** Something requested was not done. */
  get failed(): boolean {
    return (this.status ?? 0) >= 400 || this.code !== undefined || this.abortedBy !== undefined || this.#lostInstances
  }

  get #lostInstances(): boolean {
    return (this.instances?.failed ?? 0) > 0
  }

  /** Milliseconds since the request arrived. */
  get age(): number {
    return performance.now() - this.#startedAt
  }

  /**
   * Milliseconds from the request's arrival to the first byte of Google's response; undefined
   * without one.
   */
  get firstByteAfter(): number | undefined {
    return this.#elapsedMs(this.progress.firstByteAt)
  }

  /** Undefined if it equals the request id. */
  get #ownTraceId(): string | undefined {
    const id = this.trace?.traceId
    return id === this.requestId.replaceAll('-', '') ? undefined : id
  }

  /** Writes the request's log line. */
  log(logger: Log): void {
    const { instances } = this
    const line = {
      requestId: this.requestId,
      traceId: this.#ownTraceId,
      client: this.client,
      user: this.user,
      address: this.address,
      method: this.method,
      httpVersion: this.httpVersion,
      account: this.account,
      service: this.service,
      route: this.route,
      status: this.status,
      code: this.code,
      layer: this.layer,
      detail: this.detail,
      reason: this.reason,
      googleMessage: this.googleMessage,
      abortedBy: this.abortedBy,
      attempts: this.attempts,
      batches: this.batches?.sent,
      batchesRepeated: this.batches?.repeated,
      batchesFailed: this.batches?.failed,
      instancesIdentical: this.instancesIdentical,
      instancesNotNamed: this.instancesNotNamed,
      rowsRead: this.rowsRead,
      instancesStored: instances?.stored,
      instancesFailed: instances?.failed,
      instancesWarned: instances?.warned,
      bytesReceived: this.progress.received,
      bytesSent: this.progress.sent,
      tokenMs: this.#elapsedMs(this.#tokenAt),
      firstByteMs: this.firstByteAfter,
      totalMs: this.#elapsedMs(performance.now()),
    }
    if (this.failed || this.doubt) logger.warn(line, 'request')
    else logger.info(line, 'request')
  }

  #elapsedMs(at: number | null): number | undefined {
    return at === null ? undefined : Math.round((at - this.#startedAt) * 10) / 10
  }
}
