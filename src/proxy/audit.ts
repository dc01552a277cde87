import { statSync } from 'node:fs'
import { hostname } from 'node:os'
import type { AuditSettings } from '../config/settings.ts'
import { inOneLine } from '../errors.ts'
import { AuditFile } from '../observe/audit/audit-file.ts'
import type { AuditSink, SinkReports } from '../observe/audit/audit-sink.ts'
import { AuditTrail } from '../observe/audit/audit-trail.ts'
import { diagnoseFileFailure } from '../observe/audit/file-failure.ts'
import { SinkLog } from '../observe/audit/sink-log.ts'
import { SyslogSink } from '../observe/audit/syslog.ts'
import type { Logger } from '../observe/logger.ts'
import { version } from '../version.ts'
import { StartFailure } from './listen.ts'

/**
 * Opens the destinations of the audit trail; null if none is configured. Throws a StartFailure if
 * its file can't be opened.
 */
export function openAudit(audit: AuditSettings | null, logger: Logger): AuditTrail | null {
  if (!audit) return null
  const { file, standardOutput, syslog, required, queryValues } = audit
  const sinks: AuditSink[] = []
  const losses = { records: 0 }
  const reports = (sink: string) => new SinkLog(logger, sink, losses)
  if (file !== null) sinks.push(openFile(file, reports(file), logger))
  if (standardOutput) sinks.push(new AuditFile(null, reports('standard output')))
  if (syslog) {
    const source = {
      id: syslog.sourceId ?? hostname(),
      hostName: hostname(),
      processId: String(process.pid),
    }
    sinks.push(new SyslogSink(syslog, source, reports(`${syslog.host}:${syslog.port}`)))
  }
  return new AuditTrail({ sinks, version, required, queryValues, losses })
}

function openFile(file: string, reports: SinkReports, logger: Logger): AuditFile {
  try {
    const opened = new AuditFile(file, reports)
    if (isOpenToOthers(file)) logger.warn({ file }, warning)
    return opened
  } catch (cause) {
    const why = inOneLine(diagnoseFileFailure(cause, file))
    throw new StartFailure(`Can't write DicomWebProxy.Audit.File: ${why}`, { cause })
  }
}

const warning =
  'The file of the audit trail can be read or changed by every user of this machine, and says who looked at which study: chmod o-rw'

/** A device has no content to protect. */
function isOpenToOthers(file: string): boolean {
  const stat = statSync(file)
  return process.platform !== 'win32' && stat.isFile() && (stat.mode & 0o006) !== 0
}
