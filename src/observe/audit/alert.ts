import { type ConnectionRecord, outcomeText, type RejectionsRecord, type RequestRecord } from './audit-record.ts'

/** Codes 110126 and 110132 of DICOM PS3.16. */
type AlertType = 'Node Authentication' | 'Use of Restricted Function'

/** Something in the trail that needs attention soon. */
export interface Alert {
  readonly type: AlertType
  readonly description: string
  readonly client?: string | undefined
  readonly user?: string | undefined
  /** The most active address first, if known. */
  readonly addresses: readonly string[]
}

/** Null for records that need no attention: unreadable requests, and probes that only connect. */
export function alertOf(record: RequestRecord | ConnectionRecord | RejectionsRecord): Alert | null {
  if (record.audit === 'rejected') {
    const description = `${record.count} more were rejected since ${record.since}`
    return { type: 'Node Authentication', description, addresses: Object.keys(record.addresses) }
  }
  const type = alertTypeOf(record)
  if (!type) return null
  const isRequest = record.audit === 'request'
  const description = isRequest ? outcomeText(record) : `${record.event}: ${record.code ?? record.reason}`
  const { client, user } = isRequest ? record : {}
  return { type, description, client, user, addresses: [record.address] }
}

function alertTypeOf(record: RequestRecord | ConnectionRecord): AlertType | null {
  const { code } = record
  if (code === 'client-unauthenticated' || code === 'too-many-failed-logins') return 'Node Authentication'
  if (code === 'unknown-account' || code === 'admin-only') return 'Use of Restricted Function'
  const isConnection = record.audit === 'connection' && code === undefined && record.reason !== 'ECONNRESET'
  return isConnection ? 'Node Authentication' : null
}
