import type { Log } from '../logger.ts'
import type { RejectedPeer } from './audit-record.ts'
import type { AuditTrail } from './audit-trail.ts'

/** The log of who was refused before there was a request, which tells the audit trail, too. */
export class AuditedLog implements Log {
  readonly #log: Log
  readonly #audit: () => Pick<AuditTrail, 'rejected'> | null

  /** @param audit the trail that is kept now, if one is */
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
