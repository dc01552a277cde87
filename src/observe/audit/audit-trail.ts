import type { RequestEvent } from '../request-event.ts'
import { AnonymousAuditLimiter } from './anonymous-audit-limiter.ts'
import { type AuditRecord, type RejectedPeer, recordOf } from './audit-record.ts'
import type { AuditSink, Losses } from './audit-sink.ts'

interface Parts {
  /** Opens each place that the records go to; throws when one can't be used. */
  readonly sinks: readonly AuditSink[]
  readonly version: string
  /** Whether no request may pass that can't be recorded. */
  readonly required: boolean
  /** Whether the values of queries are recorded. */
  readonly queryValues: boolean
  readonly losses: Losses
}

/** Who asked for what, and what became of it: a record for each request, apart from the logs. */
export class AuditTrail {
  readonly #parts: Parts
  readonly #anonymous = new AnonymousAuditLimiter((counts) => {
    this.#write({ audit: 'rejected', time: new Date().toISOString(), ...counts }, true)
  })
  #closing: Promise<unknown> | null = null

  constructor(parts: Parts) {
    this.#parts = parts
    this.#activity('start')
  }

  /** False while requests must be refused, because they could not be recorded. */
  get accepting(): boolean {
    return !this.#parts.required || this.available
  }

  /** Whether records get to all of their places now. */
  get available(): boolean {
    return this.#parts.sinks.every(({ available }) => available)
  }

  /** How many records are lost since the start; counted anew for each place that they don't get to. */
  get lost(): number {
    return this.#parts.losses.records
  }

  /**
   * To be called once a request has ended.
   *
   * @param isAnonymous whether it came from nobody who may do anything here
   */
  record(event: RequestEvent, isAnonymous = false): void {
    if (!event.subjects) return
    if (isAnonymous && !this.#anonymous.admit(event.address, event.code ?? 'request')) return
    // Their clients ask again and again; nothing of theirs was passed on.
    const isMinor = isAnonymous || event.code === 'audit-unavailable'
    this.#write(recordOf(event, event.subjects, this.#parts.queryValues), isMinor)
  }

  /**
   * Somebody was refused before there was a request.
   *
   * @param event what happened, in the words of the log
   */
  rejected({ address, requestId, status, code, reason }: RejectedPeer, event: string): void {
    if (!this.#anonymous.admit(address, code ?? event)) return
    const known = { address, outcome: 'rejected', requestId, status, code, reason } as const
    this.#write({ audit: 'connection', time: new Date().toISOString(), event, ...known }, true)
  }

  /** May be called again. */
  close(): Promise<unknown> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  #end(): Promise<unknown> {
    this.#anonymous.end()
    this.#activity('stop')
    return Promise.all(this.#parts.sinks.map((sink) => sink.close()))
  }

  #activity(audit: 'start' | 'stop'): void {
    this.#write({ audit, time: new Date().toISOString(), version: this.#parts.version })
  }

  #write(record: AuditRecord, isMinor = false): void {
    for (const sink of this.#parts.sinks) sink.write(record, isMinor)
  }
}
