import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { LocalOrthanc, LocalOrthancOptions } from '../../src/orthanc/local-orthanc.ts'
import { OrthancError } from '../../src/orthanc/orthanc-error.ts'
import type { OrthancJob } from '../../src/orthanc/orthanc-job.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import { attemptsOf, type Case, cases } from '../faults/cases.ts'
import { openGoogle } from '../faults/google.ts'
import { Harnesses } from '../faults/harness.ts'
import { forAll, observeInTime } from '../faults/in-time.ts'
import { type Line, loggerInto } from '../faults/log.ts'
import { seenInOrthanc } from '../faults/orthanc.ts'
import { type Service, type Study, studyOf } from '../faults/services.ts'
import { doneIn } from '../faults/stored.ts'
import { eventually } from '../helpers/eventually.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'

const atOnce = 32

/** What an Orthanc's user has of one request in the end. */
interface Observed {
  /** Orthanc's text, then what the store has, as in the matrix. */
  readonly seen: string
  /** Requests that reached Google's place. */
  readonly arrived: number
  /**
   * Whether Orthanc has the instance that was to be retrieved, byte for byte; or all of it, or
   * nothing.
   */
  readonly here: boolean
}

interface Ground {
  readonly orthanc: LocalOrthanc
  readonly harnesses: Harnesses
  /** Another study for each case: they share one Orthanc. */
  seed: number
}

async function openGround(t: Test, options: LocalOrthancOptions = {}): Promise<Ground> {
  const harnesses = new Harnesses()
  t.teardown(() => harnesses.close())
  return {
    orthanc: await startOrthanc(t, { ...options, configuration: { ConcurrentJobs: atOnce } }),
    harnesses,
    seed: 0,
  }
}

t.test('what an Orthanc and its user have of each failure', needsOrthanc(), async (t) => {
  const ground = await openGround(t)
  await forAll(cases, atOnce, async (testCase) => {
    const expected = expectationOf(testCase)
    if (!expected) return
    const observed = await observeInTime(expected, () => run(ground, testCase))
    t.same(observed, expected, `${testCase.service}: ${testCase.group} ${testCase.fault.name}`)
  })
})

t.test('an Orthanc whose own time is over leaves, and the proxy with it', needsOrthanc(), async (t) => {
  const ground = await openGround(t, { httpTimeout: 1 })
  const never = cases.filter(
    ({ group, fault, client }) => `${group} ${fault.name}` === 'Google is slow never responds' && client === 'stays',
  )
  t.equal(never.length, 5)
  await forAll(never, atOnce, async (testCase) => {
    const lines: Line[] = []
    const observed = await run(ground, testCase, lines)
    t.match(
      lines.filter(({ msg }) => msg === 'request'),
      [{ status: null, abortedBy: 'client' }],
    )
    t.same(observed, { seen: 'Error in the network protocol', arrived: 1, here: false }, testCase.service)
  })
})

/**
 * Null for what an Orthanc can't cause, or where its timing decides: it may send the end of an
 * upload before or after a reset.
 */
function expectationOf(testCase: Case): Observed | null {
  const { fault, service, client } = testCase
  const outcome = fault.expected[service] ?? ''
  const words = seenInOrthanc(service, outcome)
  // An upload in batches may have one or two, as Orthanc sends it.
  if (client !== 'stays' || words === null || fault.slowly?.[service] || fault.account) return null
  const done = /, (\d )?(stored|deleted)/.exec(outcome)?.[0] ?? ''
  const here = service === 'WADO-RS' && words === 'Success'
  return { seen: words + done, arrived: fault.arrivesNever ? 0 : attemptsOf(testCase), here }
}

async function run(ground: Ground, testCase: Case, lines: Line[] = []): Promise<Observed> {
  const { orthanc, harnesses } = ground
  const harness = await harnesses.for(testCase.fault)
  const study = studyOf(++ground.seed)
  const store = `case-${randomUUID()}`
  const google = await openGoogle(testCase, harness, store, study)
  const settings = await harness.settingsFor(store, google.baseUrl, testCase.fault)
  const proxy = await startProxy(settings, { logger: loggerInto(lines) })
  await orthanc.rest.putServer(store, { Url: proxy.accountUrls.get('google') ?? '', HasDelete: '1' })
  try {
    const said = await ask[testCase.service](orthanc, store, study).catch(wordsOf)
    await eventually('Google is done with it', () => google.open === 0)
    const seen = said + (await doneIn(testCase, harness, store, study))
    return { seen, arrived: google.arrived, here: await isHere(orthanc, study) }
  } finally {
    await orthanc.rest.deleteServer(store)
    await proxy.close()
    await google.close()
  }
}

type Ask = (orthanc: LocalOrthanc, server: string, study: Study) => Promise<string>

const ask: Readonly<Record<Service, Ask>> = {
  'STOW-RS': async ({ rest }, server, { instances }) => {
    const [upload] = await Promise.all(instances.map(({ bytes }) => rest.upload(bytes)))
    const id = upload?.ParentStudy ?? ''
    const job = await rest.stow(server, [id])
    await rest.delete('studies', id)
    return wordsOfJob(job)
  },
  'QIDO-RS': async ({ rest }, server, { instances }) => {
    const found = await rest.qido(server, '/instances')
    return found.length === instances.length ? 'Success' : `${found.length} found`
  },
  'WADO-RS': async ({ rest }, server, study) => wordsOfJob(await rest.retrieve(server, [uidsOf(study)])),
  'DELETE of an instance': async ({ rest }, server, study) => {
    await rest.deleteRemote(server, uidsOf(study))
    return 'Success'
  },
  'DELETE of a study': async ({ rest }, server, study) => {
    await rest.deleteRemote(server, { study: uidsOf(study).study })
    return 'Success'
  },
}

/** Of the first instance. */
function uidsOf({ instances: [first] }: Study) {
  if (!first) throw new Error('A study without instances')
  return { study: first.studyInstanceUid, series: first.seriesInstanceUid, instance: first.sopInstanceUid }
}

function wordsOfJob({ state, errorDescription }: OrthancJob): string {
  return state === 'Success' ? state : errorDescription
}

function wordsOf(error: unknown): string {
  return error instanceof OrthancError && error.details ? error.details : String(error)
}

/** True only if it is the file that Google had: a part of it must never be taken for it. */
async function isHere({ rest }: LocalOrthanc, study: Study): Promise<boolean> {
  const found = await rest.lookup(uidsOf(study).instance)
  if (found.length === 0) return false
  const file = await rest.file(found[0]?.ID ?? '')
  if (!study.instances.some(({ bytes }) => bytes.equals(file))) throw new Error('Orthanc has a part of an instance')
  return true
}
