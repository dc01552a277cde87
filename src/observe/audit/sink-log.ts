import { shortened } from '../../outside-words.ts'
import type { Losses, SinkReports } from './audit-sink.ts'

interface Log {
  info(line: object, message: string): void
  error(line: object, message: string): void
}

const minuteMs = 60_000
/** A repository's certificate may have any number of names, and Node's message lists them all. */
const maxReasonCharacters = 300

/**
 * Logs the state of a sink. The first loss is logged at once, further ones at most once a minute,
 * with their number.
 */
export class SinkLog implements SinkReports {
  readonly #log: Log
  readonly #sink: string
  readonly #losses: Losses
  readonly #intervalMs: number
  #lost = 0
  #timer: NodeJS.Timeout | null = null

  /**
   * @param losses counts the losses of all sinks
   * @param intervalMs between two lines about losses
   */
  constructor(log: Log, sink: string, losses: Losses, intervalMs = minuteMs) {
    this.#log = log
    this.#sink = sink
    this.#losses = losses
    this.#intervalMs = intervalMs
  }

  failing({ message }: Error): void {
    const line = { sink: this.#sink, reason: shortened(message, maxReasonCharacters) }
    this.#log.error(line, "audit trail: can't write records; queueing them")
  }

  recovered(): void {
    this.#log.info({ sink: this.#sink }, 'audit trail: recovered; queued records are written')
  }

  lost(records: number): void {
    this.#lost += records
    this.#losses.records += records
    if (!this.#timer) this.#report()
  }

  closed(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#report()
  }

  #report(): void {
    this.#timer = null
    if (this.#lost === 0) return
    this.#log.error({ sink: this.#sink, records: this.#lost }, 'audit trail: records lost')
    this.#lost = 0
    this.#timer = setTimeout(() => this.#report(), this.#intervalMs).unref()
  }
}
