import type { Settings } from '../../config/settings.ts'
import { AuditTrail } from '../../observe/audit/audit-trail.ts'
import type { Logger } from '../../observe/logger.ts'
import { version } from '../version.ts'
import type { FromWorker, TrailState } from './messages.ts'
import { RelayedRecords } from './relayed-records.ts'

/** The audit trails of a worker, whose records the primary writes. */
export class Relays {
  readonly #send: (message: FromWorker) => void
  readonly #logger: Logger
  readonly #open = new Map<number, RelayedRecords>()
  readonly #losses = { records: 0 }
  /** That of the configuration to come. */
  next: TrailState | null = null

  constructor(send: (message: FromWorker) => void, logger: Logger) {
    this.#send = send
    this.#logger = logger
  }

  /** Records that are lost since the start. */
  get lost(): number {
    return this.#losses.records
  }

  readonly openAudit = (audit: Settings['audit']): AuditTrail | null => {
    const { next } = this
    if (!audit || !next) return null
    const { required, queryValues, file } = audit
    const { id } = next
    const onClose = () => {
      this.#open.delete(id)
      this.#send({ kind: 'trail-closed', trail: id })
    }
    const common = { send: this.#send, logger: this.#logger, losses: this.#losses }
    const relay = new RelayedRecords(next, { ...common, file, onClose })
    this.#open.set(id, relay)
    return new AuditTrail({ sinks: [relay], version, required, queryValues, losses: this.#losses })
  }

  /** The primary has so many records, the oldest, where they should be. */
  recorded(trail: TrailState, records: number): void {
    this.#open.get(trail.id)?.recorded(trail, records)
  }

  /** There is no primary any more. */
  orphaned(): void {
    for (const relay of this.#open.values()) relay.orphaned()
  }
}
