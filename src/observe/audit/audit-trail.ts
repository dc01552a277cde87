import type { Logger } from '../logger.ts'
import type { RequestEvent } from '../request-event.ts'
import { recordOf } from './audit-record.ts'
import type { AuditSink, SinkReports } from './audit-sink.ts'

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

/** Records of all sinks that are lost, so far. */
export interface Losses {
  records: number
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

/** Tells the log how a sink fares, and counts what is lost. */
export function reportsTo(logger: Logger, sink: string, losses: Losses): SinkReports {
  return {
    failing: ({ message }) => {
      logger.error({ sink, reason: message }, 'audit trail: records can’t be written, and are kept until they can')
    },
    recovered: () => logger.info({ sink }, 'audit trail: what was kept is written'),
    lost: (records) => {
      losses.records += records
      logger.error({ sink, records }, 'audit trail: records are lost')
    },
  }
}
