import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { RequestEvent } from '../../src/observe/request-event.ts'
import { FailedJobs } from '../../src/orthanc/failed-jobs.ts'
import { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'
import { type ResubmissionEvent, resubmitFailedJobs } from '../../src/orthanc/resubmit-failed-jobs.ts'
import { UploadOutcomes } from '../../src/orthanc/upload-outcomes.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'

const url = 'http://127.0.0.1:8043/google/'
const networkProtocol = 'Error in the network protocol'

interface Job {
  state: 'Running' | 'Success' | 'Failure'
  readonly type?: string
  server?: string | undefined
  words?: string
  createdAt?: number
  endedAt: number
  runtime?: number
}

/** Looks like an Orthanc, as far as its jobs go. Its clock may be wrong. */
class FakeOrthanc {
  readonly jobs = new Map<string, Job>()
  readonly resubmitted: string[] = []
  version = '1.24'
  works = true
  searches = 0
  entries: object = { google: { Url: url } }
  clockAhead = 0
  /** What becomes of a job that is resubmitted. */
  rerun: (job: Job, id: string) => void = (job) => {
    job.state = 'Success'
  }

  respond(method: string, path: string): [number, unknown] {
    const [, , id = '', action] = path.split('/').map(decodeURIComponent)
    if (path === '/plugins/dicom-web') return [200, { Version: this.version }]
    if (path === '/dicom-web/servers?expand') return [200, this.entries]
    if (path === '/jobs') return [200, [...this.jobs.keys()]]
    if (path.endsWith('/qido')) {
      this.searches++
      return this.works ? [200, []] : [500, { Message: networkProtocol }]
    }
    const job = this.jobs.get(id)
    if (!job) return [404, {}]
    if (action === 'resubmit' && method === 'POST') {
      this.resubmitted.push(id)
      this.rerun(job, id)
      return [200, {}]
    }
    return [200, this.#description(id, job)]
  }

  #description(id: string, { state, type = 'DicomWebStowClient', server, words, ...job }: Job) {
    return {
      ID: id,
      State: state,
      Type: type,
      Content: {
        ...(server !== undefined && { Server: server, Resources: { Studies: ['a'] } }),
        FunctionErrorDescription: words ?? networkProtocol,
      },
      CreationTime: this.#time(job.createdAt ?? job.endedAt - 1_000),
      ...(state !== 'Running' && { CompletionTime: this.#time(job.endedAt) }),
      EffectiveRuntime: (job.runtime ?? 2_000) / 1000,
      Timestamp: this.#time(Date.now()),
    }
  }

  #time(at: number): string {
    return new Date(at + this.clockAhead).toISOString().replaceAll(/[-:Z]/g, '')
  }
}

async function stageOf(t: Test, { limits = {}, startedAt = Date.now() - 3_600_000 } = {}) {
  const orthanc = new FakeOrthanc()
  const server = createServer(async (request, response) => {
    await text(request)
    const [status, body] = orthanc.respond(request.method ?? '', request.url ?? '')
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  const address = await listenOn(t, server)
  const outcomes = new UploadOutcomes(startedAt)
  const jobs = new FailedJobs(outcomes)
  const events: ResubmissionEvent[] = []
  const begin = (known = jobs) => {
    const loop = resubmitFailedJobs({
      rest: new OrthancRest(address),
      urls: new Map([['google', url]]),
      searchable: new Set(['google']),
      limits: { maxAttempts: 3, interval: 1, maxAge: 3_600_000, ...limits },
      jobs: known,
      onEvent: (event) => events.push(event),
      pollInterval: 5,
    })
    t.teardown(() => loop.close())
    return loop
  }
  const states = () => events.flatMap((event) => ('job' in event ? event.job.state : []))
  const reasons = () => events.flatMap((event) => ('left' in event ? event.reason : []))
  return { orthanc, outcomes, jobs, events, begin, states, reasons }
}

/** The end of a request, as the proxy records it. */
function upload(outcome: Partial<RequestEvent>): RequestEvent {
  const event = new RequestEvent('127.0.0.1', 'POST')
  return Object.assign(event, { account: 'google', service: 'STOW-RS' }, outcome)
}

const outage = () => upload({ status: 503 })
const past = 10_000

t.test('an upload that failed in an outage is resubmitted when the account works again', async (t) => {
  const { orthanc, outcomes, jobs, begin, states, events } = await stageOf(t)
  // By an hour, and the other way than any time zone of Europe.
  orthanc.clockAhead = 3_600_000
  const endedAt = Date.now() - past
  for (const id of ['one', 'two']) orthanc.jobs.set(id, { state: 'Failure', server: 'google', endedAt })
  outcomes.record(outage(), endedAt - 1_500)
  orthanc.works = false
  begin()
  await eventually('it tries whether the account works', () => orthanc.searches > 3)
  t.same(orthanc.resubmitted, [])
  t.same(states(), ['waiting', 'waiting'])
  t.match(jobs.of('google'), [{ id: /one|two/, state: 'waiting', attempts: 0 }, { state: 'waiting' }])

  // The second one must wait for the first.
  orthanc.rerun = (job) => {
    job.state = 'Running'
    // Orthanc 1.13 forgets them.
    job.server = undefined
  }
  orthanc.works = true
  await eventually('one is resubmitted', () => orthanc.resubmitted.length > 0)
  const searches = orthanc.searches
  for (const job of orthanc.jobs.values()) if (job.state === 'Running') job.state = 'Success'
  orthanc.rerun = (job) => {
    job.state = 'Success'
  }
  await eventually('both have succeeded', () => states().filter((state) => state === 'succeeded').length === 2)
  t.same(orthanc.resubmitted.toSorted(), ['one', 'two'], 'each once')
  t.ok(orthanc.searches > searches, 'each after a search')
  t.notMatch(JSON.stringify(events), /Studies|Resources/)
})

t.test('never one that was refused, or can not be told apart', async (t) => {
  const { orthanc, outcomes, begin, reasons, states } = await stageOf(t)
  const now = Date.now()
  // Each at a time of its own.
  const cases: [id: string, job: Partial<Job>, uploads: RequestEvent[]][] = [
    ['conflict', {}, [upload({ status: 409 })]],
    ['some failed', {}, [upload({ status: 200, instances: { stored: 1, failed: 1, warned: 0 } })]],
    ['refused beside an outage', {}, [outage(), upload({ status: 409 })]],
    ['cut by Orthanc', {}, [upload({ status: null, abortedBy: 'client' })]],
    ['response cut', {}, [upload({ status: 503, abortedBy: 'upstream' })]],
    ['not permitted', {}, [upload({ status: 403 })]],
    ['rejected by the proxy', {}, [upload({ status: 400, code: 'malformed-request' })]],
    ['no record', {}, [upload({ status: 503, code: 'audit-unavailable' })]],
    ['never sent', {}, []],
    ['stored, but failed all the same', {}, [upload({ status: 200 })]],
    ['another account', {}, [upload({ status: 503, account: 'other' })]],
    ['a search', {}, [upload({ status: 503, service: 'QIDO-RS' })]],
    ['other words', { words: 'Unknown resource' }, [outage()]],
    ['ours, but leads elsewhere', { server: 'elsewhere' }, [outage()]],
    ['no server', { server: undefined }, [outage()]],
    ['another type', { type: 'DicomWebWadoRetrieveClient' }, [outage()]],
    ['old', { createdAt: now - 2 * 3_600_000 }, [outage()]],
  ]
  for (const [at, [id, job, uploads]] of cases.entries()) {
    const endedAt = now - past - at * 20_000
    orthanc.jobs.set(id, { state: 'Failure', server: 'google', endedAt, ...job })
    for (const each of uploads) outcomes.record(each, endedAt - 800)
  }
  orthanc.entries = { google: { Url: url }, elsewhere: { Url: 'http://127.0.0.1:1/google/' } }
  // An outage, but not at the time of the job.
  const endedAt = now - 1_000_000
  orthanc.jobs.set('another time', { state: 'Failure', server: 'google', endedAt, runtime: 600_000 })
  outcomes.record(outage(), endedAt - 60_000)
  // An upload that began before the job did.
  orthanc.jobs.set('another job', { state: 'Failure', server: 'google', endedAt: now - 2_000_000, runtime: 1 })
  outcomes.record(Object.assign(outage(), {}), now - 2_000_000 - 2_900)
  // As a sign that all were looked at.
  orthanc.jobs.set('outage', { state: 'Failure', server: 'google', endedAt: now - 3_000_000 })
  outcomes.record(outage(), now - 3_000_000)
  begin()
  await eventually('the outage is found', () => states().includes('succeeded'))
  t.same(orthanc.resubmitted, ['outage'])
  t.same(states(), ['waiting', 'resubmitted', 'succeeded'])
  t.equal(reasons().length, 3, 'a line for each reason')
})

t.test('no more than MaxAttempts, each after twice the time', async (t) => {
  const { orthanc, outcomes, begin, states, jobs } = await stageOf(t, { limits: { maxAttempts: 3, interval: 40 } })
  const at: number[] = []
  const fail = (job: Job, endedAt: number) => {
    job.state = 'Failure'
    job.endedAt = endedAt
    outcomes.record(outage(), endedAt)
  }
  const job: Job = { state: 'Failure', server: 'google', endedAt: 0 }
  orthanc.jobs.set('always', job)
  fail(job, Date.now() - past)
  // It ends at once, and in the past: nobody waits for the moment until its upload is recorded.
  orthanc.rerun = (job) => {
    at.push(Date.now())
    fail(job, job.endedAt + 10)
  }
  begin()
  await eventually('it is given up', () => states().includes('given-up'))
  t.equal(orthanc.resubmitted.length, 3)
  t.match(jobs.of('google'), [{ state: 'given-up', attempts: 3, nextAttemptAt: null }])
  const { searches } = orthanc
  orthanc.jobs.set('another', { state: 'Failure', server: 'google', endedAt: job.endedAt })
  await eventually('another one is resubmitted', () => orthanc.resubmitted.includes('another'))
  t.equal(orthanc.resubmitted.filter((id) => id === 'always').length, 3)
  t.ok(orthanc.searches > searches)
})

t.test('the time between attempts', async (t) => {
  const outcomes = new UploadOutcomes(0)
  const jobs = new FailedJobs(outcomes)
  const limits = { maxAttempts: 10, interval: 60_000, maxAge: 3_600_000 }
  const waits: number[] = []
  for (let attempt = 0; attempt < 8; attempt++) {
    const endedAt = 1_000_000 + attempt * 100_000
    outcomes.record(outage(), endedAt)
    const description = {
      id: 'a',
      type: 'DicomWebStowClient',
      state: 'Failure',
      server: 'google',
      createdAt: 1_000_000,
      completion: `${endedAt}`,
      runtime: 100,
      words: networkProtocol,
    }
    const accounts = new Set(['google'])
    t.equal(jobs.look({ ...description, endedAt }, accounts, limits, endedAt + 100), null, 'its upload may come yet')
    const event = jobs.look({ ...description, endedAt }, accounts, limits, endedAt + past)
    if (!event || !('job' in event)) throw new Error('Not waiting')
    waits.push(((event.job.nextAttemptAt ?? 0) - endedAt) / 60_000)
    t.same(jobs.due(endedAt + 1), [])
    const [due] = jobs.due(Number.MAX_SAFE_INTEGER)
    if (due) jobs.resubmitted(due)
    t.same(jobs.due(Number.MAX_SAFE_INTEGER), [], 'it is under way')
  }
  t.same(waits, [1, 2, 4, 8, 16, 32, 32, 32])
})

t.test('after a restart of the proxy, nothing that failed before is resubmitted', async (t) => {
  const { orthanc, begin, reasons, events } = await stageOf(t, { startedAt: Date.now() })
  orthanc.jobs.set('before', { state: 'Failure', server: 'google', endedAt: Date.now() - past })
  begin()
  await eventually('it is told', () => reasons().length > 0)
  t.match(events, [{ left: ['before'], reason: /before the proxy started/ }])
  t.same(orthanc.resubmitted, [])
})

t.test('an old plugin, and an Orthanc that is away: said once', async (t) => {
  const { orthanc, outcomes, begin, events, states } = await stageOf(t)
  orthanc.version = '1.17'
  const endedAt = Date.now() - past
  orthanc.jobs.set('one', { state: 'Failure', server: 'google', endedAt })
  outcomes.record(outage(), endedAt)
  begin()
  await eventually('it is told', () => events.length > 0)
  t.match(events[0], { error: { code: 'plugin-old', problem: /1\.17/, remedy: /1\.18/ } })
  orthanc.version = '1.18'
  await eventually('it is resubmitted', () => states().includes('succeeded'))
  t.equal(events.filter((event) => 'error' in event).length, 1)
})

t.test('somebody was faster', async (t) => {
  const { orthanc, outcomes, begin, states, jobs } = await stageOf(t)
  const endedAt = Date.now() - past
  orthanc.jobs.set('one', { state: 'Failure', server: 'google', endedAt })
  outcomes.record(outage(), endedAt)
  orthanc.works = false
  begin()
  await eventually('it waits', () => states().includes('waiting'))
  orthanc.jobs.set('one', { state: 'Success', server: 'google', endedAt: endedAt + 1 })
  await eventually('it is seen', () => states().includes('succeeded'))
  orthanc.works = true
  t.same(orthanc.resubmitted, [])
  orthanc.jobs.clear()
  await eventually('what Orthanc forgets is forgotten', () => jobs.of('google').length === 0)
})
