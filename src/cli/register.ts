import { defaultTransferTimeout } from '../config/orthanc.ts'
import type { OrthancClientSettings, Settings } from '../config/settings.ts'
import { passwordVariables } from '../orthanc/orthanc-error.ts'
import { configurationOf } from '../orthanc/server-entry.ts'
import { shownJson, shownText } from '../outside-words.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { checkLogin, desiredEntries, proxyUrlFor } from './orthanc/desired.ts'
import { noLogin, registerIn } from './orthanc/register-in.ts'
import { certificateOf, type OrthancOptions, targetOf } from './orthanc/target.ts'
import { type ConfigurationOptions, readSettings } from './settings.ts'

interface RegisterOptions extends ConfigurationOptions, OrthancOptions {
  readonly timeout?: string
  readonly dryRun?: boolean
  readonly print?: boolean
}

/**
 * Makes each account a DICOMweb server of a running Orthanc, or prints the configuration for it.
 */
export async function register(stores: readonly string[], options: RegisterOptions): Promise<ExitCode> {
  const settings = await readSettings(stores, options)
  if (options.print) return print(settings, options)
  const target = await targetOf(settings, options)
  if (!target) {
    const remedy = 'Name an Orthanc: --orthanc http://127.0.0.1:8042, or DicomWebProxy.Orthanc in the configuration.'
    throw new CommandFailure(remedy, exitCode.usage)
  }
  try {
    if (target.exposure) process.stderr.write(`Warning: ${shownText(target.exposure)}\n`)
    if (target.client) await checkLogin(settings, target.client)
    const { url, client } = target
    const proxyUrl = proxyUrlFor(settings, url, target.proxyUrl)
    const timeout = timeoutOf(options, target.timeout)
    const desired = desiredEntries(settings, { proxyUrl, client, timeout })
    return await registerIn(target, { settings, desired, proxyUrl, dryRun: options.dryRun ?? false })
  } finally {
    await target.rest.close()
  }
}

/** Milliseconds that Orthanc allows one transfer in all. */
function timeoutOf({ timeout }: RegisterOptions, configured: number): number {
  if (timeout === undefined) return configured
  if (/^[1-9]\d{0,4}$/.test(timeout)) return 1000 * Number(timeout)
  throw new CommandFailure('--timeout takes whole seconds, from 1 to 99999.', exitCode.usage)
}

function print(settings: Settings, options: RegisterOptions): ExitCode {
  const { registration } = settings.orthanc
  const client = clientToPrint(options) ?? registration?.client ?? null
  const orthanc = options.orthanc ?? registration?.url ?? 'http://127.0.0.1:8042'
  const proxyUrl = proxyUrlFor(settings, orthanc, options.proxyUrl ?? registration?.proxyUrl ?? null)
  const timeout = timeoutOf(options, registration?.timeout ?? defaultTransferTimeout)
  const { entries, requiresLogin } = desiredEntries(settings, { proxyUrl, client, timeout })
  const Servers = Object.fromEntries(
    [...entries].map(([name, entry]) => [name, configurationOf(entry, passwordVariables.client)]),
  )
  process.stdout.write(`${shownJson({ DicomWeb: { Servers } })}\n`)
  if (requiresLogin && client === null) process.stderr.write(`${noLogin([...entries.keys()])}\n`)
  return exitCode.ok
}

/** No password is printed, so none is asked for. */
function clientToPrint(options: RegisterOptions): OrthancClientSettings | null {
  const certificate = certificateOf(options)
  const { client: name } = options
  if (certificate) return { name: name ?? null, password: null, certificate }
  return name === undefined ? null : { name, password: '', certificate: null }
}
