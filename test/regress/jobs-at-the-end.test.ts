// Seen: a job that failed within 10 s before the proxy's end, or whose upload the proxy itself cut
// at its end, was never sent again, StateFile or not.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { RequestEvent } from '../../src/observe/request-event.ts'
import { FailedJobs } from '../../src/orthanc/failed-jobs.ts'
import { JobStateFile } from '../../src/orthanc/job-state-file.ts'
import { UploadOutcomes } from '../../src/orthanc/upload-outcomes.ts'
import { eventually } from '../helpers/eventually.ts'
import { outage, past, stageOf, upload, url } from '../orthanc/job-stage.ts'

const cut = (more: Partial<RequestEvent> = {}) => upload({ status: null, abortedBy: 'proxy', ...more })

/** A proxy with a StateFile that ends in order, and the next one. */
async function twoProxies(t: Test) {
  const stateFile = join(t.testdir(), 'jobs.json')
  const stage = await stageOf(t, { stateFile })
  const end = async (loop: { close(): Promise<void> }) => {
    await loop.close()
    // As the end of the process does, when no request is in flight any more.
    await new JobStateFile(stateFile, url).write(stage.jobs.memory())
  }
  const next = (store?: string) =>
    stage.begin({ known: new FailedJobs(new UploadOutcomes(Date.now())), ...(store && { store }) })
  const sign = async () => {
    stage.orthanc.jobs.set('sign', { state: 'Failure', server: 'google', endedAt: 0 })
    await eventually('all are looked at', () =>
      stage.events.some((event) => 'left' in event && event.left.includes('sign')),
    )
  }
  return { ...stage, stateFile, end, next, sign }
}

t.test('uploads that the proxy did not look at any more, or cut', async (t) => {
  const { orthanc, outcomes, begin, end, next, states, sign } = await twoProxies(t)
  const loop = begin()
  await eventually('it has begun', () => orthanc.requests > 3)
  const now = Date.now()
  const cases: [id: string, event: RequestEvent][] = [
    ['late', outage()],
    ['cut', cut()],
    ['cut while it waited', cut({ code: 'shutting-down' })],
    ['cut, and refused before', cut({ instances: { stored: 1, failed: 1, warned: 0 } })],
    ['cut in the response', cut({ status: 409 })],
    ['malformed', cut({ code: 'malformed-request' })],
    ['client gone', upload({ status: null, abortedBy: 'client' })],
    ['refused', upload({ status: 409 })],
  ]
  const times = cases.map(([id, event], at) => {
    const endedAt = now - past - at * 20_000
    outcomes.record(event, endedAt - 800)
    return { id, endedAt }
  })
  await end(loop)
  // Orthanc notices when the proxy has ended.
  for (const { id, endedAt } of times) orthanc.jobs.set(id, { state: 'Failure', server: 'google', endedAt })
  next()
  await eventually('three are sent', () => states().filter((state) => state === 'succeeded').length === 3)
  await sign()
  t.same(orthanc.started.map(({ Resources }) => Resources[0]).sort(), ['cut a', 'cut while it waited a', 'late a'])
})

t.test('what was looked at is not looked at again', async (t) => {
  const { orthanc, begin, end, next, fails, states, sign } = await twoProxies(t)
  fails('one')
  const loop = begin()
  await eventually('it is sent', () => states().includes('succeeded'))
  await end(loop)
  next()
  await sign()
  t.equal(orthanc.started.length, 1)
})

t.test('not to the store that the account has since', async (t) => {
  const { orthanc, begin, end, next, fails, sign } = await twoProxies(t)
  const loop = begin()
  await eventually('it has begun', () => orthanc.requests > 3)
  await loop.close()
  fails('late')
  await end(loop)
  next('projects/p/stores/two')
  await sign()
  t.same(orthanc.started, [])
})

t.test('nothing is known of it after a crash', async (t) => {
  const { orthanc, begin, end, next, fails, sign, stateFile } = await twoProxies(t)
  const loop = begin()
  await eventually('it has begun', () => orthanc.requests > 3)
  const before = await readFile(stateFile, 'utf8')
  t.match(JSON.parse(before), { jobs: [], ended: null })
  fails('late')
  await end(loop)
  const text = await readFile(stateFile, 'utf8')
  t.match(JSON.parse(text), { ended: { uploads: { failed: [{ account: 'google', failure: 'outage' }] } } })
  t.notMatch(text, /late a/, 'what jobs send is not in it')
  await writeFile(stateFile, before)
  next()
  await sign()
  t.same(orthanc.started, [])
})
