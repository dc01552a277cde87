import { shortened } from '../../outside-words.ts'
import type { Losses, SinkReports } from './audit-sink.ts'

/** As much of a logger as one needs here. */
interface Log {
  info(line: object, message: string): void
  error(line: object, message: string): void
}

const minuteMs = 60_000
/** A repository's certificate may have names without end, and Node's message all of them. */
const maxReasonCharacters = 300

/** Tells the log how a sink fares: of losses the first at once, and then at most once a minute how many there were. */
export class SinkLog implements SinkReports {
  readonly #log: Log
  readonly #sink: string
  readonly #losses: Losses
  readonly #intervalMs: number
  #lost = 0
  #timer: NodeJS.Timeout | null = null

  /**
   * @param losses where those of all sinks are counted
   * @param intervalMs milliseconds between two lines about losses
   */
  constructor(log: Log, sink: string, losses: Losses, intervalMs = minuteMs) {
    this.#log = log
    this.#sink = sink
    this.#losses = losses
    this.#intervalMs = intervalMs
  }

  failing({ message }: Error): void {
    const line = { sink: this.#sink, reason: shortened(message, maxReasonCharacters) }
    this.#log.error(line, 'audit trail: records can’t be written, and are kept until they can')
  }

  recovered(): void {
    this.#log.info({ sink: this.#sink }, 'audit trail: what was kept is written')
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
    this.#log.error({ sink: this.#sink, records: this.#lost }, 'audit trail: records are lost')
    this.#lost = 0
    this.#timer = setTimeout(() => this.#report(), this.#intervalMs).unref()
  }
}
