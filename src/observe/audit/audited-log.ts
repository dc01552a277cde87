import type { Log } from '../logger.ts'
import type { RejectedPeer } from './audit-record.ts'
import type { AuditTrail } from './audit-trail.ts'

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
