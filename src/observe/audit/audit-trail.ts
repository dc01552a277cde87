import type { RequestEvent } from '../request-event.ts'
import { recordOf } from './audit-record.ts'
import type { AuditSink } from './audit-sink.ts'

interface Parts {
  /** Opens each place that the records go to; throws when one can't be used. */
  readonly sinks: readonly AuditSink[]
  readonly version: string
  /** Whether no request may pass that can't be recorded. */
  readonly required: boolean
  /** Whether the values of queries are recorded. */
  readonly queryValues: boolean
}

/** Who asked for what, and what became of it: a record for each request, apart from the logs. */
export class AuditTrail {
  readonly #parts: Parts
  #closing: Promise<unknown> | null = null

  constructor(parts: Parts) {
    this.#parts = parts
    this.#activity('start')
  }

  /** False while requests must be refused, because they could not be recorded. */
  get accepting(): boolean {
    return !this.#parts.required || this.#parts.sinks.every(({ available }) => available)
  }

  /** To be called once a request has ended. */
  record(event: RequestEvent): void {
    if (!event.subjects) return
    const record = recordOf(event, event.subjects, this.#parts.queryValues)
    for (const sink of this.#parts.sinks) sink.write(record)
  }

  /** May be called again. */
  close(): Promise<unknown> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  #end(): Promise<unknown> {
    this.#activity('stop')
    return Promise.all(this.#parts.sinks.map((sink) => sink.close()))
  }

  #activity(audit: 'start' | 'stop'): void {
    const record = { audit, time: new Date().toISOString(), version: this.#parts.version }
    for (const sink of this.#parts.sinks) sink.write(record)
  }
}
