import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type RunningProxy, startProxy } from '../../src/proxy/proxy.ts'
import { eventually } from '../helpers/eventually.ts'
import { attemptsOf, type Case } from './cases.ts'
import { runClient, speaksHttp2 } from './clients.ts'
import { openGoogle } from './google.ts'
import type { Harnesses } from './harness.ts'
import { Leftovers } from './leftovers.ts'
import { type Line, loggerInto } from './log.ts'
import { outcomeOf, wrongIn } from './observed.ts'
import { requests, study } from './services.ts'
import { doneIn } from './stored.ts'

export interface Observed {
  /** As in the case's expectation. */
  readonly outcome: string
  /** Requests that reached Google's place. */
  readonly arrived: number
  /** What should not be, in words. */
  readonly wrong: readonly string[]
}

/**
 * Milliseconds in which all must be released that an exchange held: less than any limit that would
 * end it as well.
 */
const releaseTimeoutMs = 700
/** The same for a connection that is still being made: nothing but `Timeouts.Connect` ends that. */
const connectTimeoutMs = 1_500

/** Runs one case of the matrix: a proxy of its own, before a store or a Google of its own. */
export async function runCase(testCase: Case, harnesses: Harnesses): Promise<Observed> {
  const harness = await harnesses.for(testCase.fault)
  const store = `case-${randomUUID()}`
  const upstream = await openGoogle(testCase, harness, store, study)
  const leftovers = new Leftovers()
  const lines: Line[] = []
  const settings = await harness.settingsFor(store, upstream.baseUrl, testCase.fault, speaksHttp2(testCase.client))
  const proxy = await leftovers.of(() => startProxy(settings, { logger: loggerInto(lines) }))
  const wrong: string[] = []
  try {
    const request = requests[testCase.service]
    const url = proxy.accountUrls.get('google') ?? ''
    const has = (...messages: string[]) => lines.some(({ msg }) => messages.includes(String(msg)))
    if (!('token' in testCase.fault.cause)) await eventually('a token', () => has('access token fetched'))
    const isTried = () => has('sent to Google', 'batch sent to Google', 'request')
    const inFlight = () => untilInFlight(testCase, () => upstream.reached || isTried())
    const got = await leftovers.of(() =>
      runClient(testCase.client, { url, ca: harness.ca, request, inFlight, isTried }),
    )
    const lineOf = () => lines.find(({ msg }) => msg === 'request')
    await eventually('the line in the log', () => lineOf() !== undefined, releaseTimeoutMs)
    const limit = testCase.fault.arrivesNever ? connectTimeoutMs : releaseTimeoutMs
    await noLongerThan(limit, wrong, 'requests open at Google', () => upstream.open)
    await noLongerThan(releaseTimeoutMs, wrong, 'timers', () => leftovers.timers)
    if ((await slotsInUse(proxy)) > 0) wrong.push('a slot at Google is still in use')
    const line = lineOf() ?? {}
    wrong.push(...wrongIn(got, line))
    const mayBeWhole = testCase.fault.account !== undefined || request.body.length === 0
    if (leavesEarly(testCase) && !mayBeWhole && upstream.whole > 0) wrong.push('half an upload became whole')
    const { arrived } = upstream
    return {
      outcome: outcomeOf(testCase, got, line) + (await doneIn(testCase, harness, store, study, line)),
      arrived,
      wrong,
    }
  } finally {
    const isCut = await proxy.close()
    if (isCut > 0) wrong.push(`${isCut} connections had to be cut`)
    await noLongerThan(releaseTimeoutMs, wrong, 'sockets', () => leftovers.sockets)
    // Those of a connection end with its last event, which comes after its socket has gone.
    await noLongerThan(releaseTimeoutMs, wrong, 'timers after the end', () => leftovers.timers)
    await upstream.close()
  }
}

/** In the middle of its upload. */
function leavesEarly({ client }: Case): boolean {
  return client === 'leaves' || client === 'resets its stream'
}

/** Milliseconds that a request is let wait for a token that does not come soon. */
const tokenWaitMs = 100

async function untilInFlight(testCase: Case, isSo: () => boolean): Promise<void> {
  const waitsForToken = attemptsOf(testCase) === 0 && !testCase.fault.atOnce
  await (waitsForToken ? delay(tokenWaitMs) : eventually('the request is in flight', isSo))
}

async function noLongerThan(limit: number, wrong: string[], what: string, count: () => number): Promise<void> {
  await eventually(what, () => count() === 0, limit).catch(() => wrong.push(`${count()} ${what} left`))
}

/** By the status that the proxy tells its operators. */
async function slotsInUse({ adminUrl }: RunningProxy): Promise<number> {
  const response = await fetch(`${adminUrl}/api/status`)
  const { accounts } = (await response.json()) as { accounts: { limiters: Record<string, { inFlight: number }> }[] }
  const all = accounts.flatMap(({ limiters }) => Object.values(limiters))
  return all.reduce((sum, { inFlight }) => sum + inFlight, 0)
}
