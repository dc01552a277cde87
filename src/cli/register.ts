import { defaultTransferTimeout } from '../config/orthanc.ts'
import type { Settings } from '../config/settings.ts'
import { DiagnosedError } from '../errors.ts'
import { passwordVariables } from '../orthanc/orthanc-error.ts'
import { applyPlan, planRegistration } from '../orthanc/registration.ts'
import { configurationOf, type Difference, type Plan } from '../orthanc/server-entry.ts'
import { shownJson, shownText } from '../outside-words.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { checkLogin, type DesiredRegistration, desiredEntries, proxyUrlFor } from './orthanc/desired.ts'
import { type OrthancOptions, type Target, targetOf } from './orthanc/target.ts'
import { type ConfigurationOptions, readSettings } from './settings.ts'
import { Progress } from './terminal/progress.ts'

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
    return await registerIn(target, desiredEntries(settings, { proxyUrl, client, timeout }), options)
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
  const username = options.client ?? registration?.client?.username
  const client = username === undefined ? null : { username, password: '' }
  const orthanc = options.orthanc ?? registration?.url ?? 'http://127.0.0.1:8042'
  const proxyUrl = proxyUrlFor(settings, orthanc, options.proxyUrl ?? registration?.proxyUrl ?? null)
  const timeout = timeoutOf(options, registration?.timeout ?? defaultTransferTimeout)
  const { entries, lacksLogin } = desiredEntries(settings, { proxyUrl, client, timeout })
  const Servers = Object.fromEntries(
    [...entries].map(([name, entry]) => [name, configurationOf(entry, passwordVariables.client)]),
  )
  process.stdout.write(`${shownJson({ DicomWeb: { Servers } })}\n`)
  if (lacksLogin) process.stderr.write(`${noLogin}\n`)
  return exitCode.ok
}

const noLogin = 'Warning: the proxy requires its clients to log in, and these entries have no login. Add --client NAME.'
/** Columns for the step. */
const width = 36

async function registerIn(
  { rest, url }: Target,
  desired: DesiredRegistration,
  { dryRun }: RegisterOptions,
): Promise<ExitCode> {
  const progress = new Progress(process.stdout, width)
  const step = stepsOf(progress)
  try {
    await step(`Orthanc at ${url}`, () => rest.system(), versionOf)
    const plans = await step('Its DICOMweb servers', () => planRegistration(rest, desired.entries), summary)
    for (const line of plans.flatMap(planLines)) progress.say(line)
    if (desired.lacksLogin) progress.say(noLogin)
    const due = plans.filter(({ action }) => action !== 'keep')
    const verdict = dryRun ? 'Nothing was changed (--dry-run).' : due.length === 0 ? 'Nothing had to be changed.' : null
    if (verdict === null) {
      for (const plan of due)
        await step(
          `Write ${plan.name}`,
          () => applyPlan(rest, plan),
          () => plan.entry.Url,
        )
      await step(
        'Check them again',
        async () => expectDone(await planRegistration(rest, desired.entries)),
        asTheyShould,
      )
    }
    progress.say(verdict ?? lasting)
    return exitCode.ok
  } catch (error) {
    if (error instanceof AlreadyReported) return exitCode.orthanc
    throw error
  }
}

type RunStep = <T>(title: string, work: () => Promise<T>, detailOf: (result: T) => string) => Promise<T>

/**
 * Runs steps, each with its line. One that fails is reported with its remedy, and rejects with
 * {@link AlreadyReported}.
 */
function stepsOf(progress: Progress): RunStep {
  return async (title, work, detailOf) => {
    const line = progress.begin(title)
    try {
      const result = await work()
      line.end('✓', detailOf(result))
      return result
    } catch (error) {
      if (!(error instanceof DiagnosedError)) throw error
      line.end('✗', error.problem, [`→ ${error.remedy}`])
      throw new AlreadyReported()
    }
  }
}

/** A failure whose line is printed already. */
class AlreadyReported extends Error {}

const lasting =
  'Orthanc forgets this when it ends. To keep it registered, set DicomWebProxy.Orthanc (docs/orthanc.md), or put the output of --print into orthanc.json.'

function versionOf({ Version }: Readonly<Record<string, unknown>>): string {
  return `Orthanc ${Version}`
}

function asTheyShould(): string {
  return 'they are as they should be'
}

function summary(plans: readonly Plan[]): string {
  const count = (action: Plan['action']) => plans.filter((plan) => plan.action === action).length
  return `${count('add')} to add, ${count('change')} to change, ${count('keep')} as they should be`
}

function planLines({ name, action, differences }: Plan): string[] {
  const password = action === 'change' ? ['    its password, which Orthanc does not show, will be written again'] : []
  return [`  ${action} ${name}`, ...differences.map(differenceLine), ...(differences.length === 0 ? password : [])]
}

function differenceLine({ key, from, to }: Difference): string {
  return `    ${key}: ${from} -> ${to}`
}

function expectDone(plans: readonly Plan[]): void {
  const open = plans.filter(({ differences }) => differences.length > 0)
  if (open.length === 0) return
  const what = open.map(({ name, differences }) => `${name} (${differences.map(({ key }) => key).join(', ')})`)
  throw new DiagnosedError({
    code: 'not-taken',
    problem: `Orthanc did not accept everything: ${what.join('; ')}.`,
    remedy:
      "Read Orthanc's own log, and find out what else writes its servers: the Orthanc GCP plugin may still be loaded.",
  })
}
