import { EventEmitter, once } from 'node:events'
import { AuditFile } from '../../observe/audit/audit-file.ts'
import type { AuditRecord } from '../../observe/audit/audit-record.ts'
import type { AuditSink, Losses } from '../../observe/audit/audit-sink.ts'
import { SinkLog } from '../../observe/audit/sink-log.ts'
import type { Logger } from '../../observe/logger.ts'
import type { FromWorker, TrailState } from './messages.ts'

/** Records that may be on their way to the primary. */
const most = 20_000
/** How long (ms) the last ones may take at the end. */
const farewell = 2_000

interface Parts {
  readonly send: (message: FromWorker) => void
  readonly onClose: () => void
  /** Where the trail's file is; null where it has none. */
  readonly file: string | null
  readonly logger: Logger
  readonly losses: Losses
}

interface Relayed {
  readonly record: AuditRecord
  readonly isMinor: boolean
}

/**
 * Sends records to the primary, the only one that writes: so no record stands within another one, whatever is full, renamed or
 * killed. Each is kept until the primary says that it has it. Should the primary die, what it has not said that of goes to the
 * file from here: rather twice than not at all.
 */
export class RelayedRecords extends EventEmitter implements AuditSink {
  readonly #parts: Parts
  readonly #reports: SinkLog
  #trail: TrailState
  #underWay: Relayed[] = []
  #file: AuditFile | null = null
  #orphaned = false

  constructor(trail: TrailState, parts: Parts) {
    super()
    this.#trail = trail
    this.#parts = parts
    this.#reports = new SinkLog(parts.logger, 'primary process', parts.losses)
  }

  get available(): boolean {
    if (this.#orphaned) return this.#file?.available ?? false
    return this.#trail.available && this.#underWay.length < most / 2
  }

  write(record: AuditRecord, isMinor = false): void {
    // Of the proxy as a whole, which the primary records.
    if (record.audit === 'start' || record.audit === 'stop') return
    if (this.#orphaned) this.#writeHere({ record, isMinor })
    else if (this.#underWay.length >= most) this.#reports.lost(1)
    else {
      this.#underWay.push({ record, isMinor })
      this.#parts.send({ kind: 'record', trail: this.#trail.id, record, isMinor })
    }
  }

  /** The primary has so many of them, the oldest, where they should be. */
  recorded(trail: TrailState, records: number): void {
    this.#trail = trail
    this.#underWay.splice(0, records)
    if (this.#underWay.length === 0) this.emit('empty')
  }

  /** There is no primary any more. */
  orphaned(): void {
    this.#orphaned = true
    const { file } = this.#parts
    try {
      if (file !== null) this.#file = new AuditFile(file, this.#reports)
    } catch (error) {
      this.#reports.failing(error as Error)
    }
    const left = this.#underWay
    this.#underWay = []
    for (const relayed of left) this.#writeHere(relayed)
    this.emit('empty')
  }

  async close(): Promise<void> {
    if (this.#underWay.length > 0) {
      await once(this, 'empty', { signal: AbortSignal.timeout(farewell) }).catch(() => {})
    }
    if (this.#underWay.length > 0) this.#reports.lost(this.#underWay.length)
    this.#reports.ended()
    await this.#file?.close()
    this.#parts.onClose()
  }

  #writeHere({ record, isMinor }: Relayed): void {
    if (this.#file) this.#file.write(record, isMinor)
    else this.#reports.lost(1)
  }
}
