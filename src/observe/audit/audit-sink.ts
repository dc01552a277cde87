import type { AuditRecord } from './audit-record.ts'

/** Where the records of the audit trail go. */
export interface AuditSink {
  /** False while what was recorded can't be brought there. */
  readonly available: boolean
  /**
   * Never throws: what can't be brought there now is kept, within bounds, and goes first when it can.
   *
   * @param isMinor of somebody whom nobody knows, or of a request that was refused for want of the trail: for it there is less
   * room, so that it pushes out no other
   */
  write(record: AuditRecord, isMinor?: boolean): void
  /** Brings what is left there if that is possible now. */
  close(): Promise<void>
}

/** What a sink tells of itself. */
export interface SinkReports {
  /** Records are kept from now on. */
  failing(error: Error): void
  /** All that was kept has been brought there. */
  recovered(): void
  /** So many records are lost: there were more than can be kept, or the end has come. */
  lost(records: number): void
  /** Nothing more will be told. */
  closed(): void
}

/** Of the room for what is kept, how much minor records may use. Less than the half at which requests are refused. */
export const lowPriorityShare = 1 / 4

/** Records of all sinks that are lost, so far. */
export interface Losses {
  records: number
}
