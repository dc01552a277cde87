import type { AuditRecord } from './audit-record.ts'

/** A destination of the audit trail. */
export interface AuditSink {
  /** False while records can't be written. */
  readonly available: boolean
  /**
   * Never throws. Queues the record, within bounds, while it can't be written.
   *
   * @param isLowPriority the record is of an unauthenticated client, or of a request rejected because the
   * trail is unavailable. It may use less of the queue, so that it pushes out no other record
   */
  write(record: AuditRecord, isLowPriority?: boolean): void
  /** Writes the queued records if possible now. */
  close(): Promise<void>
}

/** What a sink reports. */
export interface SinkReports {
  /** Records are queued from now on. */
  failing(error: Error): void
  /** All queued records are written. */
  recovered(): void
  /** Records are lost: the queue is full, or the proxy stops. */
  lost(records: number): void
  /** Nothing more will be reported. */
  closed(): void
}

/** Share of the queue for minor records; less than the half at which requests are rejected. */
export const lowPriorityShare = 1 / 4

/** Lost records of all sinks. */
export interface Losses {
  records: number
}
