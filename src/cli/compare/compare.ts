import type { AccountSettings } from '../../config/settings.ts'
import { DiagnosedError } from '../../errors.ts'
import { openConnections } from '../../forward/connections.ts'
import { invocation } from '../../invocation.ts'
import { shownLines } from '../../outside-words.ts'
import { dicomStoreOf } from '../../stores/dicom-store.ts'
import { accountNamed, clientOf } from '../conformance/account.ts'
import { CommandFailure, type ExitCode, exitCode } from '../exit-code.ts'
import { type OrthancOptions, type Target, targetOf } from '../orthanc/target.ts'
import { interruptedBySignals } from '../process/signals.ts'
import { type ConfigurationOptions, readSettings } from '../settings.ts'
import { Comparison, type Totals } from './comparison.ts'
import { GoogleStudies } from './google-studies.ts'
import { OrthancStudies } from './orthanc-studies.ts'
import { JsonReport, type Report, TextReport } from './report.ts'
import { sinceOf } from './since.ts'
import { serverFor, Transfers } from './transfers.ts'

export interface CompareOptions extends ConfigurationOptions, OrthancOptions {
  readonly account: string
  readonly since?: string
  readonly server?: string
  readonly json?: boolean
}

/** Compares what Orthanc has with what an account's store has, by UID. Changes nothing. */
export async function compare(stores: readonly string[], options: CompareOptions): Promise<ExitCode> {
  const since = sinceOf(options.since)
  const settings = await readSettings(stores, options)
  const account = searchable(accountNamed(settings, options.account))
  const target = await targetOf(settings, options)
  if (!target) {
    const remedy = 'Name an Orthanc: --orthanc http://127.0.0.1:8042, or DicomWebProxy.Orthanc in the configuration.'
    throw new CommandFailure(remedy, exitCode.usage)
  }
  const interruption = interruptedBySignals()
  const connections = openConnections(settings.outgoing)
  // An Orthanc that does not respond must not keep anybody waiting.
  interruption.signal.addEventListener('abort', () => void target.rest.close(), { once: true })
  try {
    if (target.exposure) say(`Warning: ${target.exposure}`)
    await target.rest.system()
    const server = await serverFor(settings, account, target, options.server)
    if (server === null) say(withoutServer(account, target))
    const { signal } = interruption
    const transfers = new Transfers({
      url: target.url,
      dicomWebRoot: settings.orthanc.dicomWebRoot,
      server: server ?? account.name,
      username: target.username,
      ca: target.authoritiesFile,
    })
    const report = reportFor(options, { transfers, since, signal })
    const client = await clientOf(settings, account, connections, Number.POSITIVE_INFINITY)
    if (!options.json) say(`Comparing ${target.url} with ${dicomStoreOf(account, '').resourceName}`)
    const comparison = new Comparison({
      orthanc: new OrthancStudies(target.rest),
      google: new GoogleStudies(client, account, signal),
      since,
      findings: report,
      signal,
    })
    const totals = await comparison.run()
    const code = codeOf(totals)
    await report.end(totals, code)
    return interruption.exitCode() ?? code
  } catch (error) {
    const code = interruption.exitCode()
    if (code !== null) return code
    if (!(error instanceof DiagnosedError)) throw error
    const words = `Nothing was compared. ${error.problem}\n→ ${error.remedy}`
    throw new CommandFailure(words, exitCode.failure, { cause: error })
  } finally {
    await target.rest.close()
    await connections.close()
  }
}

/** Google is asked directly, but the account says what it is for. */
function searchable(account: AccountSettings): AccountSettings {
  if (account.access.includes('QIDO-RS')) return account
  throw new CommandFailure(`The account ${account.name} lacks QIDO-RS in its Access.`, exitCode.usage)
}

function reportFor(
  { json }: CompareOptions,
  options: Pick<ConstructorParameters<typeof TextReport>[0], 'transfers' | 'since' | 'signal'>,
): Report {
  const progress = process.stderr.isTTY ? process.stderr : null
  const Kind = json ? JsonReport : TextReport
  return new Kind({ ...options, output: process.stdout, progress })
}

function withoutServer({ name }: AccountSettings, { url }: Target): string {
  return `Orthanc has no DICOMweb server that leads to the account ${name}. Before you use the commands below, register it: ${invocation} register --orthanc ${url}; or name the server: --server NAME.`
}

function codeOf({ missingAtGoogle, missingInOrthanc, failed, stopped }: Totals): ExitCode {
  const isSame = missingAtGoogle.studies + missingInOrthanc.studies + failed === 0 && !stopped
  return isSame ? exitCode.ok : exitCode.failure
}

/** Names no study: those are on standard output only. */
function say(words: string): void {
  process.stderr.write(`${shownLines(words)}\n`)
}
