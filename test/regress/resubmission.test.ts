// Seen in ResubmitFailedJobs: a search that hung at one account kept the jobs of all others waiting;
// a job that failed just before a reload was sent to the account's new store; one whose refusal
// Orthanc noticed late, beside an outage, was sent again; one was left because Orthanc responded
// slowly, or because 2,000 small uploads had succeeded meanwhile; more than 10,000 that waited made
// a StateFile that could not be read; one of another Orthanc was dropped without a word; a new job
// that somebody paused kept all others waiting; thousands of jobs that waited for their turn were all
// read every few seconds; what waited over a restart was given up if Orthanc did not have the new
// entry yet.
import { join } from 'node:path'
import t from 'tap'
import { FailedJobs } from '../../src/orthanc/failed-jobs.ts'
import { JobStateFile } from '../../src/orthanc/job-state-file.ts'
import { UploadOutcomes } from '../../src/orthanc/upload-outcomes.ts'
import { eventually } from '../helpers/eventually.ts'
import { otherUrl, outage, past, stageOf, upload, url } from '../orthanc/job-stage.ts'

t.test('an account whose searches get no response holds up no other', async (t) => {
  const { orthanc, fails, begin, states } = await stageOf(t)
  orthanc.entries = { google: { Url: url }, other: { Url: otherUrl } }
  orthanc.silent.add('google')
  for (const server of ['google', 'other']) fails(server, { server })
  begin()
  await eventually('the other one is sent', () => states().includes('succeeded'))
  t.same(
    orthanc.started.map(({ server }) => server),
    ['other'],
  )
  orthanc.silent.clear()
  await eventually('both are sent', () => orthanc.started.length === 2)
})

t.test('a job that failed at the store that its account had before a reload', async (t) => {
  const { orthanc, fails, begin, reasons } = await stageOf(t)
  const before = begin({ store: 'projects/p/stores/one' })
  await before.close()
  fails('one')
  begin({ store: 'projects/p/stores/two' })
  await eventually('it is left', () => reasons().length > 0)
  t.same(orthanc.started, [])
})

t.test('a refusal that Orthanc notices late, beside an outage', async (t) => {
  const { orthanc, outcomes, fails, begin, reasons } = await stageOf(t)
  const endedAt = Date.now() - past
  outcomes.record(upload({ status: 409 }), endedAt - 6_000)
  fails('refused', { endedAt, runtime: 8_000 })
  begin()
  await eventually('it is left', () => reasons().length > 0)
  t.same(orthanc.started, [])
})

t.test('a slow Orthanc', async (t) => {
  const { orthanc, outcomes, begin, states } = await stageOf(t)
  const endedAt = Date.now() - past
  orthanc.jobs.set('one', { state: 'Failure', server: 'google', endedAt })
  outcomes.record(outage(), endedAt - 2_500)
  orthanc.delay = 1_000
  begin()
  await eventually('it waits', () => states().includes('waiting'))
  orthanc.delay = 0
  await eventually('it is sent', () => states().includes('succeeded'))
})

t.test('thousands of uploads that succeed while a large job runs', async (t) => {
  const { outcomes, fails, begin, states } = await stageOf(t)
  for (let at = 0; at < 2_500; at++) outcomes.record(upload({ status: 200 }), Date.now() - past - 1_000)
  fails('large', { runtime: 600_000 })
  begin()
  await eventually('it is sent', () => states().includes('succeeded'))
})

t.test('a StateFile with more jobs than ever wait', async (t) => {
  const path = join(t.testdir(), 'jobs.json')
  const store = `projects/${'p'.repeat(60)}/locations/europe-west3/datasets/${'d'.repeat(60)}/dicomStores/archive`
  const times = { createdAt: Date.now(), failedAt: Date.now() }
  const jobs = Array.from({ length: 30_000 }, (_, at) => {
    const id = `6ca4ac1f-63ce-45d9-ae11-${String(at).padStart(12, '0')}`
    return {
      id,
      replaces: id,
      account: 'radiology',
      store,
      completion: '20261128T034844.939064',
      ...times,
      attempts: 1,
    }
  })
  await new JobStateFile(path, url).write({ jobs: jobs.map((job) => ({ ...job, state: 'waiting' })), ended: null })
  const { known } = await new JobStateFile(path, url).read()
  t.equal(known.jobs.length, 30_000)
})

t.test('a StateFile of another Orthanc is not dropped without a word', async (t) => {
  const stateFile = join(t.testdir(), 'jobs.json')
  const times = { createdAt: Date.now(), failedAt: Date.now() }
  const job = { id: 'one', replaces: null, account: 'google', store: 's', completion: '', attempts: 0, ...times }
  await new JobStateFile(stateFile, 'http://another').write({ jobs: [{ ...job, state: 'waiting' }], ended: null })
  const { orthanc, begin, events } = await stageOf(t, { stateFile })
  begin()
  await eventually('it is told', () => events.length > 0)
  t.match(events, [{ left: ['one'], reason: /another Orthanc.*gcp-dicomweb-proxy compare/ }])
  t.same(orthanc.started, [])
})

t.test('a new job that somebody pauses holds up no other', async (t) => {
  const { orthanc, fails, begin, states, jobs } = await stageOf(t)
  orthanc.run = (job) => {
    job.state = orthanc.started.length === 1 ? 'Paused' : 'Success'
  }
  for (const id of ['one', 'two']) fails(id)
  begin()
  await eventually('the other one is sent', () => states().includes('succeeded'))
  t.match(
    jobs.of('google').find(({ state }) => state === 'given-up'),
    { id: 'new 1', reason: /paused.*resume/i },
  )
})

t.test('jobs that wait for their turn are not read again and again', async (t) => {
  const { orthanc, fails, begin, states } = await stageOf(t)
  const now = Date.now()
  for (let at = 0; at < 400; at++)
    orthanc.jobs.set(`job ${at}`, { state: 'Pending', createdAt: now - 60_000 + at, endedAt: 0 })
  begin()
  await eventually('all are read', () => orthanc.described > 400)
  const { polls, described } = orthanc
  await eventually('it goes on', () => orthanc.polls > polls + 5)
  const each = (orthanc.described - described) / (orthanc.polls - polls)
  t.ok(each < 150, `${each} at each look`)
  for (let at = 0; at < 200; at++) orthanc.jobs.set(`job ${at}`, { state: 'Success', endedAt: now })
  fails('job 200', { createdAt: now - past - 1_000 })
  await eventually('the one that has failed is found', () => states().includes('succeeded'))
})

t.test('an entry that is written just after a restart', async (t) => {
  const stateFile = join(t.testdir(), 'jobs.json')
  const { orthanc, fails, begin, states, events } = await stageOf(t, { stateFile })
  orthanc.works = false
  fails('one')
  const before = begin()
  await eventually('it waits', () => states().includes('waiting'))
  await before.close()
  orthanc.works = true
  // The proxy is at another address now.
  orthanc.entries = { google: { Url: 'http://127.0.0.1:1/google/' } }
  events.length = 0
  const { polls } = orthanc
  begin({ known: new FailedJobs(new UploadOutcomes(Date.now())) })
  await eventually('it has looked', () => orthanc.polls > polls + 3)
  orthanc.entries = { google: { Url: url } }
  await eventually('it is sent', () => states().includes('succeeded'))
  t.equal(orthanc.started.length, 1)
})
