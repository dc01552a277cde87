import { type FileFolders, locate } from './file-folders.ts'
import { certificateAuthorities } from './outgoing.ts'
import type { Section } from './section.ts'
import type { AuditSettings, AuditSyslogSettings } from './settings.ts'
import { readIdentity } from './tls.ts'

/** The port of syslog over TLS (RFC 5425 4.1). */
const syslogPort = 6514

/** The audit trail; null if there is none. */
export async function readAudit(audit: Section | null, folders: FileFolders): Promise<AuditSettings | null> {
  if (!audit) return null
  const file = audit.text('File')
  const syslog = audit.enabled('Syslog')
  const settings = {
    file: file === undefined ? null : await locate(file, folders),
    standardOutput: audit.flag('StandardOutput'),
    syslog: syslog && (await readSyslog(syslog, folders)),
    required: audit.flag('Required'),
    queryValues: audit.flag('QueryValues'),
  }
  if (!settings.file && !settings.standardOutput && !syslog && audit.readable) {
    audit.problem(null, 'has no destination', 'set File, Syslog or "StandardOutput": true')
  }
  return settings
}

async function readSyslog(syslog: Section, folders: FileFolders): Promise<AuditSyslogSettings | null> {
  const server = syslog.text('Server')
  const url = URL.parse(`tls://${server}`)
  if (server === undefined || !url) return null
  return {
    host: url.hostname.replaceAll(/[[\]]/g, ''),
    port: Number(url.port || syslogPort),
    sourceId: syslog.text('SourceId') ?? null,
    certificateAuthorities: await certificateAuthorities(syslog, 'CACertificates', folders),
    identity: await readOwnIdentity(syslog, folders),
  }
}

async function readOwnIdentity(syslog: Section, folders: FileFolders): Promise<AuditSyslogSettings['identity']> {
  const [certificate, key] = [syslog.text('Certificate'), syslog.text('Key')]
  if ((certificate === undefined) !== (key === undefined)) {
    syslog.problem(certificate ? 'Key' : 'Certificate', 'is missing', 'set both Certificate and Key, or neither')
  }
  if (certificate === undefined || key === undefined) return null
  const files = { certificate: await locate(certificate, folders), key: await locate(key, folders) }
  return readIdentity(syslog, files, folders)
}
