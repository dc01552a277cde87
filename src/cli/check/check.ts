import type { Settings } from '../../config/settings.ts'
import { DiagnosedError } from '../../errors.ts'
import { invocation } from '../../invocation.ts'
import { CommandFailure, type ExitCode, exitCode } from '../exit-code.ts'
import { desiredEntries, proxyUrlFor } from '../orthanc/desired.ts'
import { httpProxyWarning } from '../orthanc/http-proxy-warning.ts'
import { type OrthancOptions, type Target, targetOf } from '../orthanc/target.ts'
import type { ConfigurationOptions } from '../settings.ts'
import { checkAuditFile, checkAuditRepository } from './audit.ts'
import { Checklist, type Layer, layers, type Reporter, type Result } from './checklist.ts'
import { checkCredentials, checkGoogle } from './checks.ts'
import { checkConfiguration, loadContext } from './configuration.ts'
import { checkListenerCertificates } from './listener-certificate.ts'
import { checkOrthanc } from './orthanc.ts'
import { jsonReport, silent, TextReport } from './report.ts'
import { checkRunningProxy } from './running-proxy.ts'
import { checkStateFile } from './state-file.ts'

export interface CheckOptions extends ConfigurationOptions, OrthancOptions {
  readonly offline?: boolean
  readonly json?: boolean
}

/** Checks that everything works, and explains how to fix what doesn't. */
export async function check(stores: readonly string[], options: CheckOptions): Promise<ExitCode> {
  const text = options.json ? null : new TextReport(process.stdout)
  const { results, warnings } = await runChecks(stores, options, text ?? silent)
  const code = codeOf(results)
  if (!text) process.stdout.write(jsonReport(results, warnings, code))
  else for (const line of closing(results, warnings)) text.say(line)
  return code
}

export interface Checked {
  readonly results: readonly Result[]
  /** What works but is dangerous, a sentence each. */
  readonly warnings: readonly string[]
}

export async function runChecks(
  stores: readonly string[],
  options: CheckOptions,
  reporter: Reporter,
  context = loadContext(),
): Promise<Checked> {
  const { config, listen, adminListen, offline } = options
  const list = new Checklist(reporter)
  const path = config ?? context.environment.GCP_DICOMWEB_PROXY_CONFIG
  list.heading('On this machine')
  const settings: Settings | null = await checkConfiguration(list, {
    ...context,
    path,
    stores,
    overrides: { listen, adminListen },
  })
  const warnings: string[] = []
  if (settings) {
    const { tls, audit } = settings
    if (tls) await checkListenerCertificates(list, tls)
    const known = await checkCredentials(list, settings)
    if (audit?.file) await checkAuditFile(list, audit.file)
    const stateFile = settings.orthanc.registration?.resubmission?.stateFile
    if (stateFile) await checkStateFile(list, stateFile)
    if (!offline) await checkRunningProxy(list, settings)
    if (!offline && audit?.syslog) await checkAuditRepository(list, audit.syslog)
    if (!offline) await checkGoogle(list, settings, known)
    if (!offline) warnings.push(...(await checkOrthancOf(list, settings, options)))
  }
  return { results: list.results, warnings: [...(settings?.warnings ?? []), ...warnings] }
}

/** The Orthanc that the command line or the configuration names, if any. Resolves with warnings. */
async function checkOrthancOf(list: Checklist, settings: Settings, options: CheckOptions): Promise<string[]> {
  const target = await targetOf(settings, options)
  if (!target) return []
  const { url, rest, client, timeout } = target
  list.heading(`Orthanc: ${url}`)
  try {
    const proxyUrl = await addressForOrthanc(list, settings, target)
    if (proxyUrl === null) return []
    const desired = desiredEntries(settings, { proxyUrl, client, timeout }).entries
    const works = await checkOrthanc(list, { settings, rest, desired, registerCommand: registerCommand(url, options) })
    const warning = works ? null : httpProxyWarning(settings, proxyUrl)
    return warning === null ? [] : [warning]
  } finally {
    await rest.close()
  }
}

async function addressForOrthanc(
  list: Checklist,
  settings: Settings,
  { url, proxyUrl }: Target,
): Promise<string | null> {
  try {
    return proxyUrlFor(settings, url, proxyUrl)
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error
    const remedy = 'Set PublicUrl, or --proxy-url URL.'
    const failure = new DiagnosedError({ code: 'proxy-url', problem: error.message, remedy }, { cause: error })
    await list.check({ layer: 'orthanc', subject: url, title: 'Address of the proxy' }, () => Promise.reject(failure))
    return null
  }
}

/** The command that repairs an entry, as far as this one tells. */
function registerCommand(url: string, { config, user }: CheckOptions): string {
  const login = user === undefined ? '' : ` --user ${user}`
  return `${invocation} register --orthanc ${url}${login}${config === undefined ? '' : ` --config ${config}`}`
}

const codes: Readonly<Record<Layer, ExitCode>> = {
  configuration: exitCode.usage,
  network: exitCode.network,
  clock: exitCode.clock,
  credential: exitCode.credential,
  store: exitCode.store,
  proxy: exitCode.proxy,
  orthanc: exitCode.orthanc,
}

/** Of the first layer that has a failure: what comes later may follow from it. */
export function codeOf(results: readonly Result[]): ExitCode {
  const failed = layers.find((layer) => results.some((result) => result.layer === layer && result.status === 'failed'))
  return failed === undefined ? exitCode.ok : codes[failed]
}

function closing(results: readonly Result[], warnings: readonly string[]): string[] {
  const failed = results.filter(({ status }) => status === 'failed').length
  const skipped = results.filter(({ status }) => status === 'skipped')
  const made = results.length - skipped.length
  const verdict = failed === 0 ? `All ${made} checks passed.` : `${failed} of ${made} checks failed.`
  return ['', ...warnings.map((warning) => `Warning: ${warning}`), `${verdict}${skippedText(skipped)}`]
}

/** What was not looked at must not look as if it were well. */
function skippedText(skipped: readonly Result[]): string {
  if (skipped.length === 0) return ''
  const titles = skipped.map(({ title }) => title).join(', ')
  return ` ${skipped.length} ${skipped.length === 1 ? 'check' : 'checks'} skipped: ${titles}.`
}
