import { resolve } from 'node:path'
import { certificateAuthorities } from './outgoing.ts'
import type { Section } from './section.ts'
import type { AuditSettings, AuditSyslogSettings } from './settings.ts'
import { readIdentity } from './tls.ts'

/** Syslog over TLS (RFC 5425 4.1). */
const syslogPort = 6514

/** The audit trail; null if none is wanted. */
export async function auditOf(audit: Section, workingDirectory: string): Promise<AuditSettings | null> {
  if (audit.keys.length === 0) return null
  const file = audit.text('File')
  const settings = {
    file: file === undefined ? null : resolve(workingDirectory, file),
    standardOutput: audit.flag('StandardOutput') ?? false,
    syslog: await syslogOf(audit.section('Syslog'), workingDirectory),
    required: audit.flag('Required') ?? false,
    queryValues: audit.flag('QueryValues') ?? false,
  }
  if (!settings.file && !settings.standardOutput && !audit.has('Syslog') && audit.readable) {
    audit.problem(null, 'names no place that the audit trail goes to; set File, Syslog, or "StandardOutput": true')
  }
  return settings
}

async function syslogOf(syslog: Section, workingDirectory: string): Promise<AuditSyslogSettings | null> {
  const server = syslog.text('Server')
  const url = URL.parse(`tls://${server}`)
  if (server === undefined || !url) return null
  return {
    host: url.hostname.replaceAll(/[[\]]/g, ''),
    port: Number(url.port || syslogPort),
    sourceId: syslog.text('SourceId') ?? null,
    certificateAuthorities: await certificateAuthorities(syslog, 'CACertificates', workingDirectory),
    identity: await identityOf(syslog, workingDirectory),
  }
}

async function identityOf(syslog: Section, workingDirectory: string): Promise<AuditSyslogSettings['identity']> {
  const [certificate, key] = [syslog.text('Certificate'), syslog.text('Key')]
  if ((certificate === undefined) !== (key === undefined)) {
    syslog.problem(certificate ? 'Key' : 'Certificate', 'is missing; Certificate and Key are of use together only')
  }
  if (certificate === undefined || key === undefined) return null
  return readIdentity(syslog, {
    certificate: resolve(workingDirectory, certificate),
    key: resolve(workingDirectory, key),
  })
}
