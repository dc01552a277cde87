import { once } from 'node:events'
import { closeSync, constants, openSync, statSync } from 'node:fs'
import { access, open, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { AuditSyslogSettings } from '../../config/settings.ts'
import { DiagnosedError, type Diagnosis } from '../../errors.ts'
import { networkFailureOf } from '../../network-failure.ts'
import { diagnoseFileFailure } from '../../observe/audit/file-failure.ts'
import { connectTo } from '../../observe/audit/syslog.ts'
import type { Checklist } from './checklist.ts'
import { isRoot, lookAsOwnerOf, ownerMayWrite } from './file-owner.ts'

/** Less than a busy day's records. */
const minFreeBytes = 64 * 1024 * 1024

/** Whether this user can write the audit trail's file. Nothing is written, and no file is made. */
export async function checkAuditFile(list: Checklist, file: string): Promise<void> {
  await list.check({ layer: 'configuration', subject: null, title: 'Audit trail' }, () => writable(file))
}

const { O_APPEND, O_WRONLY, W_OK, X_OK } = constants
/** Without O_NONBLOCK, a pipe without a reader would block. Windows lacks the flag. */
const flags = O_APPEND | O_WRONLY | (constants.O_NONBLOCK ?? 0)

async function writable(file: string): Promise<string> {
  const folder = dirname(file)
  let isDevice = false
  let place = file
  try {
    const opened = await open(file, flags)
    isDevice = !(await opened.stat()).isFile()
    await opened.close()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw notWritable(cause, file)
    await access(folder, W_OK | X_OK).catch((cause) => Promise.reject(notWritable(cause, file, folder)))
    place = folder
  }
  if (!isDevice) await checkSpace(folder)
  if (!isRoot()) return `${file} can be written`
  const who = await lookAsOwnerOf(place, (user) => {
    try {
      if (place === file) closeSync(openSync(file, flags))
      else if (!ownerMayWrite(statSync(`${place}/.`))) throw new Error('no right to write')
    } catch (cause) {
      throw new DiagnosedError(deniedTo(user, place), { cause })
    }
  })
  return `${file} can be written ${who}`
}

async function checkSpace(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize >= minFreeBytes) return
  const problem = `The disk of ${folder} is full: ${Math.floor((bavail * bsize) / 1e6)} MB are left for the audit trail.`
  throw new DiagnosedError({ code: 'audit-space', problem, remedy: 'Free space there, or move Audit.File.' })
}

function notWritable(cause: unknown, file: string, place = file): DiagnosedError {
  const diagnosis = diagnoseFileFailure(cause, file)
  return new DiagnosedError(diagnosis.code === 'audit-denied' ? deniedTo('This user', place) : diagnosis, { cause })
}

const deniedTo = (user: string, place: string): Diagnosis => ({
  code: 'audit-denied',
  problem: `${user} may not write ${place}, so the proxy would not start.`,
  remedy: 'Give it to the user that the proxy runs as (chown), and run this check as that user.',
})

const connectTimeoutMs = 10_000
/** With TLS 1.3, a rejected client certificate shows only after the handshake. */
const settleMs = 300

/** Whether the audit record repository accepts a TLS connection, as the proxy opens it. */
export async function checkAuditRepository(list: Checklist, syslog: AuditSyslogSettings): Promise<void> {
  const subject = `${syslog.host}:${syslog.port}`
  const item = { layer: 'network', subject, title: `Audit repository ${subject}` } as const
  await list.check(item, () => reach(syslog, subject))
}

async function reach(syslog: AuditSyslogSettings, subject: string): Promise<string> {
  const socket = connectTo(syslog)
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(connectTimeoutMs) })
    const closed = once(socket.resume(), 'close').then(() => true)
    if (await Promise.race([closed, delay(settleMs, false)])) throw new Error('it closed the connection')
    return 'accepts a TLS connection; whether it stores records, syslog does not say'
  } catch (cause) {
    throw new DiagnosedError(diagnose(cause, subject, syslog.identity !== null), { cause })
  } finally {
    socket.destroy()
  }
}

function diagnose(cause: unknown, subject: string, hasIdentity: boolean): Diagnosis {
  const { code = '', kind, problem } = networkFailureOf(cause)
  if (kind === 'tls') {
    return {
      code: 'audit-tls',
      problem: `The audit repository ${subject} can't be used: ${problem} (${code}).`,
      remedy:
        'Name the CA of its certificate in Audit.Syslog.CACertificates, and the repository by a name in its certificate.',
    }
  }
  if (kind === 'unreachable' || kind === 'timeout') {
    return {
      code: 'audit-unreachable',
      problem: `The audit repository ${subject} can't be reached: ${problem}.`,
      remedy:
        'Correct Audit.Syslog.Server, allow the connection in the firewall, or start the repository (syslog over TLS).',
    }
  }
  return {
    code: 'audit-refused',
    problem: `The audit repository ${subject} closed the connection.`,
    remedy: hasIdentity
      ? 'Check that it accepts the certificate in Audit.Syslog.Certificate, and listens for syslog over TLS there.'
      : 'Check that it listens for syslog over TLS there; if it requires a client certificate, set Audit.Syslog.Certificate and Key.',
  }
}
