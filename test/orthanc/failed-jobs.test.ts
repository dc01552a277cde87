import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { RequestEvent } from '../../src/observe/request-event.ts'
import { FailedJobs } from '../../src/orthanc/failed-jobs.ts'
import { UploadOutcomes } from '../../src/orthanc/upload-outcomes.ts'
import { eventually } from '../helpers/eventually.ts'
import { inBatches, type Job, networkProtocol, outage, past, stageOf, upload, url } from './job-stage.ts'

t.test('an upload that failed in an outage is sent by a new job when the account works again', async (t) => {
  const { orthanc, jobs, begin, states, events, fails } = await stageOf(t)
  // By an hour, and the other way than any time zone of Europe.
  orthanc.clockAhead = 3_600_000
  for (const id of ['one', 'two']) fails(id)
  orthanc.works = false
  begin()
  await eventually('it tries whether the account works', () => orthanc.searches > 3)
  t.same(orthanc.started, [])
  t.same(states(), ['waiting', 'waiting'])
  t.match(jobs.of('google'), [{ id: /one|two/, state: 'waiting', attempts: 0 }, { state: 'waiting' }])

  // The second one must wait for the first. Plugin 1.20 says the server of a job only at its end.
  const running: Job[] = []
  orthanc.run = (job) => {
    running.push(job)
    job.server = undefined
  }
  orthanc.works = true
  await eventually('one is started', () => states().includes('started-again'))
  const { searches } = orthanc
  orthanc.jobs.set('a sign', { state: 'Failure', server: 'google', endedAt: 0 })
  await eventually('it has looked at all of them again', () => events.some((event) => 'left' in event))
  t.equal(orthanc.started.length, 1)
  for (const job of running) Object.assign(job, { state: 'Success', server: 'google' })
  orthanc.run = (job) => {
    job.state = 'Success'
  }
  await eventually('both have succeeded', () => states().filter((state) => state === 'succeeded').length === 2)
  t.same(
    orthanc.started.toSorted((a, b) => String(a.Resources).localeCompare(String(b.Resources))),
    ['one', 'two'].map((id) => ({ server: 'google', Resources: [`${id} a`, `${id} b`], Priority: -1 })),
    'each once, with the instances of the old job',
  )
  t.ok(orthanc.searches > searches, 'each after a search')
  t.match(jobs.of('google'), [{ id: /^new/, replaces: /one|two/, state: 'succeeded', attempts: 1 }, {}])
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
    ['refused, and beside it an outage', {}, [inBatches({ causes: [503], refused: 1 })]],
    ['batches failed otherwise', {}, [inBatches({ causes: [503, 413], refused: 0 })]],
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
    ['not all instances named', { count: 3 }, [outage()]],
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
  t.same(
    orthanc.started.map(({ Resources }) => Resources),
    [['outage a', 'outage b']],
  )
  t.same(states(), ['waiting', 'started-again', 'succeeded'])
  t.equal(reasons().length, 4, 'a line for each reason')
  for (const reason of reasons()) t.match(reason, /gcp-dicomweb-proxy compare/, 'what to do')
})

/** New jobs fail like the first one. They end in the past: nobody waits until it is settled. */
function alwaysFails({ orthanc, outcomes }: Awaited<ReturnType<typeof stageOf>>, how = outage) {
  let endedAt = Date.now() - past
  orthanc.run = (job) => {
    endedAt += 10
    Object.assign(job, { state: 'Failure', endedAt })
    outcomes.record(how(), endedAt)
  }
}

t.test('no more new jobs than MaxAttempts', async (t) => {
  const stage = await stageOf(t, { limits: { maxAttempts: 3 } })
  const { orthanc, begin, states, jobs, fails } = stage
  alwaysFails(stage)
  fails('always')
  begin()
  await eventually('it is given up', () => states().includes('given-up'))
  t.same(
    orthanc.started.map(({ Priority }) => Priority),
    [-1, -2, -3],
  )
  for (const { Resources } of orthanc.started) t.same(Resources, ['always a', 'always b'])
  t.match(jobs.of('google'), [
    { id: 'new 3', state: 'given-up', attempts: 3, nextAttemptAt: null, reason: /MaxAttempts/ },
  ])
  fails('another')
  await eventually('another one is started', () => orthanc.started.length > 3)
  t.same(orthanc.started[3]?.Resources, ['another a', 'another b'])
})

t.test('nor after a restart of the proxy: the new job says by its priority how many there were', async (t) => {
  const stage = await stageOf(t, { limits: { maxAttempts: 3 } })
  alwaysFails(stage)
  stage.fails('new of the process before', { priority: -2 })
  stage.begin()
  await eventually('it is given up', () => stage.states().includes('given-up'))
  t.same(
    stage.orthanc.started.map(({ Priority }) => Priority),
    [-3],
  )
})

t.test('a new job that Google refuses is the last', async (t) => {
  const stage = await stageOf(t)
  alwaysFails(stage, () => upload({ status: 409, instances: { stored: 1, failed: 1, warned: 0 } }))
  stage.fails('partly stored')
  stage.begin()
  await eventually('it is given up', () => stage.states().includes('given-up'))
  t.equal(stage.orthanc.started.length, 1)
  t.match(stage.jobs.of('google'), [{ state: 'given-up', reason: /that it has already.*gcp-dicomweb-proxy compare/ }])
})

t.test('where Orthanc does not say whether it has started a job, none is started again', async (t) => {
  for (const status of [0, 502, 404]) {
    const { orthanc, fails, begin, states, jobs, events } = await stageOf(t)
    orthanc.startStatus = status
    fails('one')
    begin()
    await eventually('it is given up', () => states().includes('given-up'))
    t.match(jobs.of('google'), [{ id: 'one', state: 'given-up', reason: status === 404 ? /deleted/ : /not known/ }])
    orthanc.startStatus = 200
    fails('sign')
    await eventually('a sign', () => states().includes('succeeded'))
    t.equal(orthanc.started.length, 2)
    t.equal(events.filter((event) => 'error' in event).length, 1)
  }
})

t.test('where Orthanc refuses to start a job, it is asked again', async (t) => {
  const { orthanc, fails, begin, states } = await stageOf(t)
  orthanc.startStatus = 403
  fails('one')
  begin()
  await eventually('it was asked more than once', () => orthanc.started.length > 2)
  orthanc.startStatus = 200
  await eventually('it is sent', () => states().includes('succeeded'))
  t.equal(orthanc.started.at(-1)?.Priority, -1, 'refusals are no attempts')
})

t.test('a close waits for the response to a start, and the next loop knows of it', async (t) => {
  const { orthanc, fails, begin, states, jobs } = await stageOf(t)
  fails('one')
  let closed: Promise<void> | null = null
  orthanc.run = () => {
    closed ??= loop.close()
  }
  const loop = begin()
  await eventually('it is closed while a job is started', () => closed !== null)
  await closed
  t.same(states(), ['waiting', 'started-again'])
  t.match(jobs.of('google'), [{ id: 'new 1', replaces: 'one', state: 'started-again' }])
  const job = orthanc.jobs.get('new 1')
  if (job) job.state = 'Success'
  begin()
  await eventually('the next loop sees its end', () => states().includes('succeeded'))
  t.equal(orthanc.started.length, 1)
})

t.test('the time between attempts', async (t) => {
  const outcomes = new UploadOutcomes(0)
  const jobs = new FailedJobs(outcomes)
  const limits = { maxAttempts: 10, interval: 60_000, maxAge: 3_600_000 }
  const targets = new Map([['google', { url, store: 'one' }]])
  const waits: number[] = []
  for (let attempt = 0; attempt < 8; attempt++) {
    const endedAt = 1_000_000 + attempt * 100_000
    outcomes.record(outage(), endedAt)
    const description = {
      id: `job ${attempt}`,
      type: 'DicomWebStowClient',
      state: 'Failure',
      server: 'google',
      instances: ['a'],
      priority: 0,
      createdAt: 1_000_000,
      completion: `${endedAt}`,
      uncertainty: 0,
      runtime: 100,
      words: networkProtocol,
    }
    t.equal(jobs.look({ ...description, endedAt }, targets, limits, endedAt + 100), null, 'its upload may come yet')
    const event = jobs.look({ ...description, endedAt }, targets, limits, endedAt + past)
    if (!event || !('job' in event)) throw new Error('Not waiting')
    waits.push(((event.job.nextAttemptAt ?? 0) - endedAt) / 60_000)
    t.same(jobs.due(endedAt + 1), [])
    const [due] = jobs.due(Number.MAX_SAFE_INTEGER)
    if (!due) throw new Error('Not due')
    jobs.starting(due)
    jobs.started(due, `job ${attempt + 1}`)
    t.same(jobs.due(Number.MAX_SAFE_INTEGER), [], 'it is in flight')
  }
  t.same(waits, [1, 2, 4, 8, 16, 32, 32, 32])
  t.end()
})

t.test('after a restart of the proxy, nothing that failed before is sent again', async (t) => {
  const { orthanc, begin, reasons, events } = await stageOf(t, { startedAt: Date.now() })
  orthanc.jobs.set('before', { state: 'Failure', server: 'google', endedAt: Date.now() - past })
  begin()
  await eventually('it is told', () => reasons().length > 0)
  t.match(events, [{ left: ['before'], reason: /before the proxy started/ }])
  t.same(orthanc.started, [])
})

t.test('an upload in batches of which an outage has kept a part from Google', async (t) => {
  const { orthanc, outcomes, begin, states } = await stageOf(t)
  const endedAt = Date.now() - past
  orthanc.jobs.set('partly', { state: 'Failure', server: 'google', endedAt })
  outcomes.record(inBatches({ causes: [503, 'upstream-reset', 401], refused: 0 }), endedAt - 800)
  begin()
  await eventually('it is sent', () => states().includes('succeeded'))
  t.same(orthanc.started[0]?.Resources, ['partly a', 'partly b'], 'all of it')
})

t.test('what waits outlasts a restart of the proxy, by its StateFile', async (t) => {
  const stateFile = join(t.testdir(), 'jobs.json')
  const stage = await stageOf(t, { stateFile })
  const { orthanc, events, begin, states, fails } = stage
  const restart = (store?: string) => {
    events.length = 0
    const known = new FailedJobs(new UploadOutcomes(Date.now()))
    return { known, loop: begin({ known, ...(store && { store }) }) }
  }
  orthanc.works = false
  for (const id of ['one', 'gone', 'taken']) fails(id)
  const first = begin()
  await eventually('they wait', () => states().length === 3)
  await first.close()
  const content = await readFile(stateFile, 'utf8')
  t.equal(JSON.parse(content).jobs.length, 3)
  t.notMatch(content, /one a/, 'what they send is not in it')

  orthanc.jobs.delete('gone')
  Object.assign(orthanc.jobs.get('taken') ?? {}, { endedAt: Date.now() - past + 7 })
  orthanc.works = true
  orthanc.run = () => undefined
  const second = restart()
  await eventually('one is started', () => states().includes('started-again'))
  t.same(
    orthanc.started.map(({ Resources, Priority }) => ({ Resources, Priority })),
    [{ Resources: ['one a', 'one b'], Priority: -1 }],
  )
  t.match(
    second.known.of('google').filter(({ state }) => state === 'given-up'),
    [
      { id: 'gone', reason: /forgotten it while the proxy did not run.*JobsHistorySize/ },
      { id: 'taken', reason: /somebody has resubmitted it/ },
    ],
  )
  t.match(second.known.countsOf('google'), { waiting: 0, started: 1, givenUp: 2 })
  await second.loop.close()

  // The new job is still known, and no other is started for the old one.
  orthanc.jobs.set('new 1', { state: 'Success', server: 'google', endedAt: Date.now() - past })
  const third = restart()
  await eventually('its end is seen', () => states().includes('succeeded'))
  t.match(third.known.of('google'), [{ id: 'new 1', replaces: 'one', attempts: 1 }])
  await third.loop.close()
  t.same(JSON.parse(await readFile(stateFile, 'utf8')).jobs, [])
  restart()
  await eventually('the old ones are left', () => events.some((event) => 'left' in event))
  t.equal(orthanc.started.length, 1)
})

t.test('a crash while Orthanc is asked: not asked again', async (t) => {
  const stateFile = join(t.testdir(), 'jobs.json')
  const { orthanc, begin, fails, states, events } = await stageOf(t, { stateFile })
  let written = ''
  orthanc.run = () => {
    written = readFileSync(stateFile, 'utf8')
  }
  fails('one')
  const loop = begin()
  await eventually('it is asked', () => written !== '')
  await loop.close()
  t.match(JSON.parse(written).jobs, [{ id: 'one', state: 'starting', attempts: 1 }], 'on the disk before')

  await writeFile(stateFile, written)
  events.length = 0
  const known = new FailedJobs(new UploadOutcomes(Date.now()))
  begin({ known })
  await eventually('it is given up', () => states().includes('given-up'))
  t.match(known.of('google'), [{ id: 'one', state: 'given-up', reason: /not known whether/ }])
  t.equal(orthanc.started.length, 1)
})

t.test('a StateFile that is damaged or can not be written: said, and nothing is sent', async (t) => {
  const folder = t.testdir({ damaged: '{"orthanc":1}' })
  const stateFile = join(folder, 'damaged')
  const damaged = await stageOf(t, { stateFile })
  damaged.fails('one')
  damaged.begin()
  await eventually('it is told', () => damaged.events.length > 0)
  t.match(damaged.events, [{ error: { code: 'state-file', problem: /can't be read/, remedy: /delete it/ } }])
  t.same(damaged.orthanc.started, [])
  await writeFile(stateFile, JSON.stringify({ orthanc: 'http://another', jobs: [] }))
  await eventually('it is sent', () => damaged.states().includes('succeeded'))

  const missing = await stageOf(t, { stateFile: join(folder, 'no-folder', 'jobs.json') })
  missing.fails('one')
  missing.begin()
  await eventually('it is told', () => missing.events.some((event) => 'error' in event))
  const errors = missing.events.filter((event) => 'error' in event)
  t.match(errors, [{ error: { code: 'state-file', problem: /can't be written: ENOENT/ } }])
  t.same(missing.orthanc.started, [])
})

t.test('an old plugin, and an Orthanc that is away: said once', async (t) => {
  const { orthanc, begin, events, states, fails } = await stageOf(t)
  orthanc.version = '1.17'
  fails('one')
  begin()
  await eventually('it is told', () => events.length > 0)
  t.match(events[0], { error: { code: 'plugin-old', problem: /1\.17/, remedy: /1\.18/ } })
  orthanc.version = '1.18'
  await eventually('it is sent', () => states().includes('succeeded'))
  t.equal(events.filter((event) => 'error' in event).length, 1)
})

t.test('what somebody resubmits in Orthanc meanwhile is theirs', async (t) => {
  const { orthanc, begin, states, jobs, fails } = await stageOf(t)
  fails('one')
  orthanc.works = false
  begin()
  await eventually('it waits', () => states().includes('waiting'))
  orthanc.jobs.set('one', { state: 'Success', server: 'google', endedAt: Date.now() - past })
  orthanc.works = true
  await eventually('it is seen', () => states().includes('given-up'))
  t.match(jobs.of('google'), [{ id: 'one', state: 'given-up', reason: /only a part.*compare/ }])
  t.same(orthanc.started, [])
})

t.test('what Orthanc forgets: a job that waits is sent all the same, a new one is given up', async (t) => {
  const { orthanc, begin, states, jobs, fails } = await stageOf(t)
  fails('one')
  orthanc.works = false
  begin()
  await eventually('it waits', () => states().includes('waiting'))
  orthanc.jobs.clear()
  orthanc.run = () => undefined
  orthanc.works = true
  await eventually('it is sent', () => states().includes('started-again'))
  t.same(orthanc.started[0]?.Resources, ['one a', 'one b'])
  orthanc.jobs.clear()
  await eventually('it is given up', () => states().includes('given-up'))
  t.match(jobs.of('google'), [{ id: 'new 1', state: 'given-up', reason: /JobsHistorySize/ }])
  t.equal(orthanc.started.length, 1)
})

t.test('never to another store than the first time, nor after MaxAge', async (t) => {
  const { orthanc, begin, states, jobs, fails } = await stageOf(t)
  orthanc.works = false
  fails('one')
  const loop = begin()
  await eventually('it waits', () => states().includes('waiting'))
  await loop.close()
  orthanc.works = true
  begin({ store: 'projects/p/stores/two' })
  await eventually('it is given up', () => states().includes('given-up'))
  t.match(jobs.of('google'), [{ state: 'given-up', reason: /another DICOM store/ }])
  t.same(orthanc.started, [])

  const aged = await stageOf(t, { limits: { maxAge: 13_000 } })
  aged.orthanc.works = false
  aged.fails('aged')
  aged.begin()
  await eventually('it is too old', () => aged.states().includes('given-up'))
  t.same(aged.states(), ['waiting', 'given-up'])
  t.match(aged.jobs.of('google'), [{ reason: /MaxAge/ }])
})
