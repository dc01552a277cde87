import { ProxyError } from '../errors.ts'
import type { AuditTrail } from '../observe/audit/audit-trail.ts'

/**
 * Throws a ProxyError `audit-unavailable` while requests must be rejected because they can't be
 * recorded.
 */
export function checkRecordable(audit: Pick<AuditTrail, 'accepting'> | null): void {
  if (audit === null || audit.accepting) return
  const problem = "The audit trail can't be written, and DicomWebProxy.Audit.Required lets no request pass without it."
  throw new ProxyError(
    'audit-unavailable',
    { problem, remedy: "Read the reason in the proxy's log." },
    { retryAfter: 10 },
  )
}
