import { defaultTransferTimeout } from '../config/orthanc.ts'
import type { Settings } from '../config/settings.ts'
import { applyPlan, planRegistration } from '../orthanc/registration.ts'
import { configurationOf, type Difference, type Plan } from '../orthanc/server-entry.ts'
import { shownJson, shownText } from '../outside-words.ts'
import { Trouble } from './check/trouble.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { checkLogin, type DesiredRegistration, desiredEntries, proxyUrlFor } from './orthanc/desired.ts'
import { orthancTrouble, passwordVariables } from './orthanc/orthanc-trouble.ts'
import { type OrthancOptions, type Target, targetOf } from './orthanc/target.ts'
import { Progress } from './progress.ts'
import { type ConfigurationOptions, readSettings } from './settings.ts'

interface RegisterOptions extends ConfigurationOptions, OrthancOptions {
  readonly timeout?: string
  readonly dryRun?: boolean
  readonly print?: boolean
}

/** Makes each account a DICOMweb server of a running Orthanc, or prints what its configuration would have to say. */
export async function register(stores: readonly string[], options: RegisterOptions): Promise<ExitCode> {
  const settings = await readSettings(stores, options)
  if (options.print) return print(settings, options)
  const target = await targetOf(settings, options)
  if (!target) {
    const advice = 'Name an Orthanc: --orthanc http://127.0.0.1:8042, or DicomWebProxy.Orthanc in the configuration.'
    throw new CommandFailure(advice, exitCode.usage)
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

const noLogin = 'Warning: the proxy wants its clients to log in, and these entries have no login: add --client NAME.'
/** Columns for what is done. */
const width = 36

async function registerIn(
  { rest, url }: Target,
  wanted: DesiredRegistration,
  { dryRun }: RegisterOptions,
): Promise<ExitCode> {
  const progress = new Progress(process.stdout, width)
  const step = stepsOf(progress, url)
  try {
    await step(`Orthanc at ${url}`, () => rest.system(), versionOf)
    const plans = await step('Its DICOMweb servers', () => planRegistration(rest, wanted.entries), summary)
    for (const line of plans.flatMap(planLines)) progress.say(line)
    if (wanted.lacksLogin) progress.say(noLogin)
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
        'Look at them again',
        async () => expectDone(await planRegistration(rest, wanted.entries)),
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

/** Runs steps, each with its line. One that fails is told with what mends it, and rejects with {@link AlreadyReported}. */
function stepsOf(progress: Progress, url: string): RunStep {
  return async (title, work, detailOf) => {
    const line = progress.begin(title)
    try {
      const result = await work()
      line.end('✓', detailOf(result))
      return result
    } catch (error) {
      const { why, remedy } = error instanceof Trouble ? error : orthancTrouble(error, url)
      line.end('✗', why, [`→ ${remedy}`])
      throw new AlreadyReported()
    }
  }
}

/** A failure whose line is printed already. */
class AlreadyReported extends Error {}

const lasting =
  'Orthanc forgets this when it ends. To have it registered again by itself: DicomWebProxy.Orthanc (docs/orthanc.md); or put what --print says into orthanc.json.'

function versionOf({ Version }: Readonly<Record<string, unknown>>): string {
  return `Orthanc ${Version}`
}

function asTheyShould(): string {
  return 'they say what they should'
}

function summary(plans: readonly Plan[]): string {
  const count = (action: Plan['action']) => plans.filter((plan) => plan.action === action).length
  return `${count('add')} to add, ${count('change')} to change, ${count('keep')} as they should be`
}

function planLines({ name, action, differences }: Plan): string[] {
  const password = action === 'change' ? ['    its password, which Orthanc does not show, is written again'] : []
  return [`  ${action} ${name}`, ...differences.map(differenceLine), ...(differences.length === 0 ? password : [])]
}

function differenceLine({ key, from, to }: Difference): string {
  return `    ${key}: ${from} -> ${to}`
}

function expectDone(plans: readonly Plan[]): void {
  const open = plans.filter(({ differences }) => differences.length > 0)
  if (open.length === 0) return
  const what = open.map(({ name, differences }) => `${name} (${differences.map(({ key }) => key).join(', ')})`)
  throw new Trouble(
    'not-taken',
    `Orthanc did not take it all: ${what.join('; ')}.`,
    "Look into Orthanc's own log, and at what else writes its servers: is the Orthanc GCP plugin still loaded?",
  )
}
