import { randomUUID } from 'node:crypto'
import type { DicomWebService } from '../config/settings.ts'
import type { ErrorCode, Layer } from '../errors.ts'
import type { AuditSubjects } from './audit/audit-subjects.ts'
import type { Log } from './logger.ts'
import type { RequestTrace } from './tracing.ts'

/** What became of the instances of an upload, by Google's answer. */
export interface InstanceCounts {
  readonly stored: number
  readonly failed: number
  /** Of those stored: the ones that Google had to change, or warns of. */
  readonly warned: number
}

/**
 * Where a request is: it waits for a token or a place; it has been sent, and Google has not answered; its answer is on the
 * way to the client.
 */
export type RequestPhase = 'waiting' | 'sent' | 'responding'

/** What one request was and how it went. What goes to the log has no identifier of a patient, study, series or instance, and no header. */
export class RequestEvent {
  readonly requestId = randomUUID()
  /** The peer's address. */
  readonly address: string
  /** The name of the authenticated client; undefined while, and where, nobody is authenticated. */
  client: string | undefined
  readonly method: string
  account: string | undefined
  service: DicomWebService | undefined
  route: string | undefined
  /** Of the answer that the client got, as far as it got one. */
  status: number | null = null
  /** The proxy's own answer, when it was not Google's. */
  code: ErrorCode | undefined
  /** Of a failure: whose trouble it is, and what to do. */
  layer: Layer | undefined
  detail: string | undefined
  /** Of a refusal: what the client itself is not told. */
  reason: string | undefined
  /** What Google said of a failure, free of patient data. */
  googleMessage: string | undefined
  /** Undefined unless it is an upload whose answer could be read to its end. */
  instances: InstanceCounts | undefined
  /** The answer, or the request, ended before its end, and who ended it. */
  abortedBy: 'client' | 'upstream' | 'proxy' | undefined
  /** Google does behind its answer what was asked for, and that was not seen to end. */
  isPending = false
  /** For the audit trail alone; null when none is kept. */
  readonly subjects: AuditSubjects | null
  /** Null while, and where, nobody is authenticated: strangers make no traces. */
  trace: RequestTrace | null = null
  /** Times that the request was sent to Google. */
  attempts = 0
  /** Bytes that the body of an upload will have; undefined where its head does not say so. */
  expected: number | undefined
  readonly progress = { received: 0, sent: 0, firstByteAt: null as number | null }
  readonly #startedAt = performance.now()
  #tokenAt: number | null = null

  constructor(address: string, method: string, subjects: AuditSubjects | null = null) {
    this.address = address
    this.method = method
    this.subjects = subjects
  }

  /** Who takes turns with others. */
  get fairnessKey(): string {
    return this.client === undefined ? this.address : `client ${this.client}`
  }

  tokenReceived(): void {
    this.#tokenAt ??= performance.now()
  }

  get phase(): RequestPhase {
    if (this.progress.sent > 0) return 'responding'
    return this.attempts > 0 ? 'sent' : 'waiting'
  }

  /** Something that was asked for was not done. */
  get failed(): boolean {
    return (this.status ?? 0) >= 400 || this.code !== undefined || this.abortedBy !== undefined || this.#lostInstances
  }

  get #lostInstances(): boolean {
    return (this.instances?.failed ?? 0) > 0
  }

  /** Milliseconds since the request came. */
  get age(): number {
    return performance.now() - this.#startedAt
  }

  /** Milliseconds from then to the first byte of Google's answer; undefined while there is none. */
  get firstByteAfter(): number | undefined {
    return this.#elapsedMs(this.progress.firstByteAt)
  }

  /** Undefined where it is that of the request, too. */
  get #ownTraceId(): string | undefined {
    const id = this.trace?.traceId
    return id === this.requestId.replaceAll('-', '') ? undefined : id
  }

  /** Writes the one line about this request. */
  log(logger: Log): void {
    const { instances } = this
    const line = {
      requestId: this.requestId,
      traceId: this.#ownTraceId,
      client: this.client,
      address: this.address,
      method: this.method,
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
      instancesStored: instances?.stored,
      instancesFailed: instances?.failed,
      instancesWarned: instances?.warned,
      bytesReceived: this.progress.received,
      bytesSent: this.progress.sent,
      tokenMs: this.#elapsedMs(this.#tokenAt),
      firstByteMs: this.firstByteAfter,
      totalMs: this.#elapsedMs(performance.now()),
    }
    if (this.failed) logger.warn(line, 'request')
    else logger.info(line, 'request')
  }

  #elapsedMs(at: number | null): number | undefined {
    return at === null ? undefined : Math.round((at - this.#startedAt) * 10) / 10
  }
}
