import { once } from 'node:events'
import { connect } from 'node:net'
import { hostAndPort, isLoopback, isWildcard } from '../../config/loopback.ts'
import type { Settings } from '../../config/settings.ts'
import { DiagnosedError } from '../../errors.ts'
import { invocation } from '../../invocation.ts'
import { OrthancError } from '../../orthanc/orthanc-error.ts'
import type { OrthancRest } from '../../orthanc/orthanc-rest.ts'
import type { DesiredEntry } from '../../orthanc/server-entry.ts'
import { Skipped } from '../check/checklist.ts'

interface Through {
  readonly name: string
  readonly entry: DesiredEntry
  readonly rest: OrthancRest
  readonly settings: Settings
  /** The login was just written: to write it again would not help. */
  readonly loginWritten?: boolean
}

/**
 * Searches the store through Orthanc and the proxy, as a user would. Resolves with words for a
 * success; rejects with {@link Skipped} where that can't be tried.
 */
export async function searchThrough(through: Through): Promise<string> {
  const { name, entry, rest, settings } = through
  const access = settings.accounts.find((account) => account.name === name)?.access ?? []
  if (!access.includes('QIDO-RS')) throw new Skipped('QIDO-RS is not in Access')
  const url = new URL(entry.url)
  if (!(await listens(url))) throw new Skipped(`from here, the proxy is not running at ${url.origin}`)
  try {
    await rest.qido(name, '/studies', { limit: '1' })
    return 'Orthanc searches the store through the proxy'
  } catch (error) {
    if (!(error instanceof OrthancError) || error.status === 0) throw error
    throw diagnose(error, through)
  }
}

/** Orthanc's own words: it tells no more. */
function diagnose(error: OrthancError, { settings, loginWritten }: Through): DiagnosedError {
  const problem = `Orthanc cannot search through the proxy: ${error.details || `status ${error.status}`}.`
  const reason = whereReasonIs(settings)
  if (/credentials/i.test(error.details)) {
    const advice = loginWritten
      ? "the login was just written, so compare it with the running proxy's Clients or ClientsFile"
      : `${invocation} register --client NAME`
    const remedy = `Read ${reason} whether the proxy or Google refused. If it was the login: ${advice}`
    return new DiagnosedError({ code: 'through-refused', problem, remedy }, { cause: error })
  }
  const remedy = `Read the reason ${reason}. If no request came there, read Orthanc's own log: it could not connect, or sent the request to its HttpProxy.`
  return new DiagnosedError({ code: 'through-failed', problem, remedy }, { cause: error })
}

function whereReasonIs({ adminListen, tls }: Settings): string {
  if (adminListen === null || adminListen.port === 0) return "in the proxy's log"
  const { host } = adminListen
  const shown = hostAndPort(adminListen)
  // No client can connect to it as it is written, and only the reader knows by which address to.
  if (isWildcard(host)) return `in the proxy's log, or on its status page (AdminListen ${shown})`
  const scheme = tls && !isLoopback(host) ? 'https' : 'http'
  return `in the proxy's log, or with curl ${scheme}://${shown}/api/status`
}

const connectTimeoutMs = 3_000

async function listens(url: URL): Promise<boolean> {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const socket = connect({ host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(connectTimeoutMs) })
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
