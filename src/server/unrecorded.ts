import { ProxyError } from '../errors.ts'
import type { AuditTrail } from '../observe/audit/audit-trail.ts'

/**
 * Throws a ProxyError `audit-unavailable` while no request may pass, because it could not be
 * recorded.
 */
export function checkRecordable(audit: Pick<AuditTrail, 'accepting'> | null): void {
  if (audit === null || audit.accepting) return
  const detail =
    'The audit trail can’t be written, and DicomWebProxy.Audit.Required lets no request pass without it: see the proxy’s log for the reason.'
  throw new ProxyError('audit-unavailable', detail, { retryAfter: 10 })
}
