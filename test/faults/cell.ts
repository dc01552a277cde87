import { randomUUID } from 'node:crypto'
import { Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { startProxy } from '../../src/cli/proxy.ts'
import type { DicomWebService } from '../../src/config/settings.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { eventually } from '../helpers/eventually.ts'
import { attemptsOf, type Cell } from './cells.ts'
import { headStart, isImpatient, runClient } from './clients.ts'
import { Leftovers } from './leftovers.ts'
import { conflicting, instances, isOfStore, requests, type Service } from './services.ts'
import { resourceName, type Stage, type Stages } from './stage.ts'
import { storeDirectly, storedIn } from './stored.ts'
import { type Line, outcomeOf, wrongIn } from './told.ts'
import { nobody, startWire, type Upstream } from './upstream.ts'

export interface Observed {
  /** In the words of the cell's expectation. */
  readonly outcome: string
  /** Requests that reached Google's place. */
  readonly arrived: number
  /** What should not be, in words. */
  readonly wrong: readonly string[]
}

/** Milliseconds for what follows from the end of an exchange without further events: far longer than it takes. */
const soon = 5_000
/** The same where a client has left a request: less than any limit that would end that at Google as well. */
const atOnce = 1_500

/** Runs one cell of the matrix: a proxy of its own, before a store or a Google of its own. */
export async function runCell(cell: Cell, stages: Stages): Promise<Observed> {
  const stage = await stages.for(cell.fault)
  const store = `cell-${randomUUID()}`
  const upstream = await openUpstream(cell, stage, store)
  const leftovers = new Leftovers()
  const lines: Line[] = []
  const logger = createLogger({ verbose: true, destination: collecting(lines) })
  const settings = await stage.settingsFor(store, upstream.baseUrl, cell.fault)
  const proxy = await leftovers.of(() => startProxy(settings, { logger }))
  const wrong: string[] = []
  try {
    const request = requests[cell.service]
    const url = proxy.accountUrls.get('google') ?? ''
    const has = (...messages: string[]) => lines.some(({ msg }) => messages.includes(String(msg)))
    if (!('token' in cell.fault.cause)) await eventually('a token', () => has('access token fetched'))
    const isTried = () => has('sent to Google', 'request')
    const underWay = () => isUnderWay(cell, () => upstream.reached || isTried())
    const got = await leftovers.of(() => runClient(cell.client, { url, request, underWay, isTried }))
    const lineOf = () => lines.find(({ msg }) => msg === 'request')
    await eventually('the line in the log', () => lineOf() !== undefined, soon)
    const limit = isImpatient(cell.client) && !cell.fault.arrivesNever ? atOnce : soon
    await noLongerThan(limit, wrong, 'requests open at Google', () => upstream.open)
    await noLongerThan(soon, wrong, 'timers', () => leftovers.timers)
    const line = lineOf() ?? {}
    wrong.push(...wrongIn(got, line))
    if (cell.client === 'leaves' && request.body.length > 0 && upstream.whole > 0)
      wrong.push('half an upload became whole')
    const { arrived } = upstream
    return { outcome: outcomeOf(cell, got, line) + (await doneIn(cell, stage, store, line)), arrived, wrong }
  } finally {
    const isCut = await proxy.close()
    if (isCut > 0) wrong.push(`${isCut} connections had to be cut`)
    await noLongerThan(soon, wrong, 'sockets', () => leftovers.sockets)
    if (leftovers.timers > 0) wrong.push(`${leftovers.timers} timers after the end`)
    await upstream.close()
  }
}

/** Milliseconds that a request is let wait for a token that does not come soon. */
const patience = 100

async function isUnderWay(cell: Cell, isSo: () => boolean): Promise<void> {
  const waitsForToken = attemptsOf(cell) === 0 && !cell.fault.atOnce
  await (waitsForToken ? delay(patience) : eventually('the request is under way', isSo))
}

async function noLongerThan(limit: number, wrong: string[], what: string, count: () => number): Promise<void> {
  await eventually(what, () => count() === 0, limit).catch(() => wrong.push(`${count()} ${what} left`))
}

async function openUpstream({ fault, service, client }: Cell, stage: Stage, store: string): Promise<Upstream> {
  const { cause } = fault
  const wait = isImpatient(client) ? headStart : 0
  if ('wire' in cause) return cause.wire === 'gone' ? nobody : startWire(cause.wire, wait)
  const { emulator } = stage
  const name = resourceName(store)
  emulator.addStore(name)
  if (service !== 'STOW-RS') await storeDirectly(stage, name, instances)
  if ('has' in cause) await storeDirectly(stage, name, conflicting)
  const from = emulator.log.length
  const effect = { delay: wait, ...('store' in cause && cause.store) }
  const remove = emulator.faults.add({ target: targetOf(service), store: name, ...effect })
  const records = () =>
    emulator.log
      .slice(from)
      .filter(({ target, headers }) => isOfStore(target, store) && isOfProxy(headers['user-agent']))
  return {
    baseUrl: emulator.baseUrl,
    get reached() {
      return records().length > 0
    },
    get arrived() {
      return records().length
    },
    get whole() {
      return records().filter(({ complete }) => complete).length
    },
    get open() {
      return records().filter(({ ended }) => !ended).length
    },
    close: async () => remove(),
  }
}

/** Not one of the test's own. */
function isOfProxy(userAgent: string | undefined): boolean {
  return userAgent?.startsWith('gcp-dicomweb-proxy/') ?? false
}

function targetOf(service: Service): DicomWebService {
  return service === 'STOW-RS' || service === 'QIDO-RS' || service === 'WADO-RS' ? service : 'DELETE'
}

function collecting(lines: Line[]): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      for (const line of String(chunk).trim().split('\n')) lines.push(JSON.parse(line))
      done()
    },
  })
}

/** What the answer says of the instances, and what the store has in the end. */
async function doneIn({ service, fault, client }: Cell, stage: Stage, store: string, line: Line): Promise<string> {
  if ('wire' in fault.cause || service === 'QIDO-RS' || service === 'WADO-RS') return ''
  // What has left whole may be done, and nobody was told.
  if (client === 'half-closes' || client === 'leaves within the answer') return ''
  if (service === 'STOW-RS') return storedOf(line, (await storedIn(stage, store)).length)
  if (client === 'leaves') return ''
  const gone = service === 'DELETE of an instance' ? 1 : instances.length
  const isDeleted = async () => (await storedIn(stage, store)).length === instances.length - gone
  // An operation that has begun ends behind the answer.
  if (fault.expected[service]?.endsWith('deleted')) await eventually('the deletion', isDeleted, soon).catch(() => {})
  return (await isDeleted()) ? ', deleted' : ''
}

function storedOf({ instancesStored: told, instancesFailed: failures }: Line, count: number): string {
  const isWhole = count === instances.length
  const stored = count === 0 ? '' : isWhole ? ', stored' : `, ${count} stored`
  return failures
    ? `${stored}, ${failures} failed${told === count ? '' : `, though the log counts ${told} stored`}`
    : stored
}
