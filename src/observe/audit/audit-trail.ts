import type { Log } from '../logger.ts'
import type { RequestEvent } from '../request-event.ts'
import { AnonymousAuditLimiter } from './anonymous-audit-limiter.ts'
import { type AuditRecord, type RejectedPeer, recordOf } from './audit-record.ts'
import type { AuditSink, Losses } from './audit-sink.ts'

interface AuditTrailOptions {
  /** The destinations of the records. */
  readonly sinks: readonly AuditSink[]
  readonly version: string
  /** Whether requests that can't be recorded must be rejected. */
  readonly required: boolean
  /** Whether to record the values of queries. */
  readonly queryValues: boolean
  readonly losses: Losses
}

/** One record per request, apart from the logs: who requested what, and the outcome. */
export class AuditTrail {
  readonly #options: AuditTrailOptions
  readonly #anonymous = new AnonymousAuditLimiter((counts) => {
    this.#write({ audit: 'rejected', time: new Date().toISOString(), ...counts }, true)
  })
  #closing: Promise<unknown> | null = null

  constructor(options: AuditTrailOptions) {
    this.#options = options
    this.#activity('start')
  }

  /** False while requests must be rejected because they can't be recorded. */
  get accepting(): boolean {
    return !this.#options.required || this.available
  }

  /** Whether all destinations are writable. */
  get available(): boolean {
    return this.#options.sinks.every(({ available }) => available)
  }

  /** Lost records since the start, counted once per destination. */
  get lost(): number {
    return this.#options.losses.records
  }

  /**
   * Call this once a request has ended.
   *
   * @param isAnonymous whether no known client sent the request
   */
  record(event: RequestEvent, isAnonymous = false): void {
    if (!event.subjects) return
    if (isAnonymous && !this.#anonymous.admit(event.address, event.code ?? 'request')) return
    // Clients retry these often, and none of them was forwarded.
    const isLowPriority = isAnonymous || event.code === 'audit-unavailable'
    this.#write(recordOf(event, event.subjects, this.#options.queryValues), isLowPriority)
  }

  /**
   * A peer was rejected before there was a valid request.
   *
   * @param event the log message
   */
  rejected({ address, requestId, status, code, reason }: RejectedPeer, event: string): void {
    if (!this.#anonymous.admit(address, code ?? event)) return
    const known = { address, outcome: 'rejected', requestId, status, code, reason } as const
    this.#write({ audit: 'connection', time: new Date().toISOString(), event, ...known }, true)
  }

  /** Idempotent. */
  close(): Promise<unknown> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  #end(): Promise<unknown> {
    this.#anonymous.end()
    this.#activity('stop')
    return Promise.all(this.#options.sinks.map((sink) => sink.close()))
  }

  #activity(audit: 'start' | 'stop'): void {
    this.#write({ audit, time: new Date().toISOString(), version: this.#options.version })
  }

  #write(record: AuditRecord, isLowPriority = false): void {
    for (const sink of this.#options.sinks) sink.write(record, isLowPriority)
  }
}

/** Logs rejected peers, and records them in the audit trail. */
export class AuditedLog implements Log {
  readonly #log: Log
  readonly #audit: () => Pick<AuditTrail, 'rejected'> | null

  /** @param audit the current trail, if any */
  constructor(log: Log, audit: () => Pick<AuditTrail, 'rejected'> | null) {
    this.#log = log
    this.#audit = audit
  }

  info(line: object, message: string): void {
    this.#log.info(line, message)
  }

  warn(line: RejectedPeer, message: string): void {
    this.#log.warn(line, message)
    this.#audit()?.rejected(line, message)
  }
}
