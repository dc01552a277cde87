import type { Settings } from '../../config/settings.ts'
import { DiagnosedError } from '../../errors.ts'
import { applyPlan, planRegistration } from '../../orthanc/registration.ts'
import type { Difference, Plan } from '../../orthanc/server-entry.ts'
import { Skipped } from '../check/checklist.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { Progress } from '../terminal/progress.ts'
import type { DesiredRegistration } from './desired.ts'
import { httpProxyWarning } from './http-proxy-warning.ts'
import { searchThrough } from './search-through.ts'
import type { Target } from './target.ts'

/** Columns for the step. */
const width = 36

interface Registration {
  readonly settings: Settings
  readonly desired: DesiredRegistration
  /** At which Orthanc reaches the proxy. */
  readonly proxyUrl: string
  readonly dryRun: boolean
}

/** Registers in a running Orthanc, and tells of each step on standard output. */
export async function registerIn(target: Target, registration: Registration): Promise<ExitCode> {
  const { rest, url } = target
  const { settings, desired, proxyUrl, dryRun } = registration
  const progress = new Progress(process.stdout, width)
  const step = stepsOf(progress)
  try {
    await step(`Orthanc at ${url}`, () => rest.system(), versionOf)
    const plans = await step('Its DICOMweb servers', () => planRegistration(rest, desired), summary)
    for (const line of plans.flatMap(planLines)) progress.say(line)
    const withoutLogin = plans.filter(({ hasLogin }) => !hasLogin).map(({ name }) => name)
    if (desired.requiresLogin && withoutLogin.length > 0) progress.say(noLogin(withoutLogin))
    if (dryRun) {
      progress.say('Nothing was changed (--dry-run).')
      return exitCode.ok
    }
    const failed = await write(plans, target, registration, step)
    const searches = await searchAll(
      target,
      registration,
      plans.filter(({ name }) => !failed.has(name)),
      step,
    )
    const warning = httpProxyWarning(settings, proxyUrl)
    if (warning && searches.some((outcome) => outcome !== 'done')) progress.say(`Warning: ${warning}`)
    if (failed.size > 0 || searches.includes('failed')) return exitCode.orthanc
    progress.say(plans.every(({ action }) => action === 'keep') ? 'Nothing had to be changed.' : lasting)
    return exitCode.ok
  } catch (error) {
    if (error instanceof AlreadyReported) return exitCode.orthanc
    throw error
  }
}

/** Writes what has to be written; resolves with the names that could not be, or had to be left. */
async function write(
  plans: readonly Plan[],
  { rest }: Target,
  { desired }: Registration,
  step: RunStep,
): Promise<ReadonlySet<string>> {
  const due = plans.filter(({ action }) => action !== 'keep')
  const failed = new Set<string>()
  // One entry's failure does not keep the others from being written.
  for (const plan of due) {
    const written = step(
      `Write ${plan.name}`,
      () => applyPlan(rest, plan),
      () => plan.entry.Url,
    )
    if ((await outcomeOf(written)) === 'failed') failed.add(plan.name)
  }
  const names = new Set(due.map(({ name }) => name).filter((name) => !failed.has(name)))
  const again = async () => expectDone((await planRegistration(rest, desired)).filter(({ name }) => names.has(name)))
  if (names.size > 0) await step('Check them again', again, asTheyShould)
  return failed
}

/** An entry may look right and still not work: only Orthanc can show that it does. */
async function searchAll(
  { rest }: Target,
  { settings, desired }: Registration,
  plans: readonly Plan[],
  step: RunStep,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const { name } of plans) {
    const entry = desired.entries.get(name)
    if (!entry) continue
    const loginWritten = entry.login !== null || entry.certificate !== null
    const search = () => searchThrough({ name, entry, rest, settings, loginWritten })
    outcomes.push(await outcomeOf(step(`Search through ${name}`, search, (detail) => detail)))
  }
  return outcomes
}

type Outcome = 'done' | 'failed' | 'skipped'

async function outcomeOf(step: Promise<unknown>): Promise<Outcome> {
  try {
    await step
    return 'done'
  } catch (error) {
    if (error instanceof AlreadyReported) return 'failed'
    if (error instanceof Skipped) return 'skipped'
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
      if (error instanceof Skipped) line.end('–', error.message)
      if (!(error instanceof DiagnosedError)) throw error
      line.end('✗', error.problem, [`→ ${error.remedy}`])
      throw new AlreadyReported()
    }
  }
}

/** For entries of these names. */
export function noLogin(names: readonly string[]): string {
  return `Warning: the proxy requires its clients to log in, and there is no login for ${names.join(', ')}. Add --client NAME.`
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
  const left = count('leave')
  const more = left > 0 ? `, ${left} that can't be changed` : ''
  return `${count('add')} to add, ${count('change')} to change, ${count('keep')} as they should be${more}`
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
