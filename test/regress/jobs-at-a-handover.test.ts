// Seen: a restart by a successor (SIGUSR2) without StateFile forgot the failed jobs that waited, and
// uploads that failed on the process that was finishing its connections were never sent again. What
// Orthanc had forgotten meanwhile, which its predecessor would have sent, was given up by a successor.
// Of three processes, the second forgot what the first knew, if that left Orthanc to it too late.
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { Registration } from '../../src/cli/serve/orthanc-registration.ts'
import { loadSettings } from '../../src/config/load.ts'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { multipart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { FailedJobs } from '../../src/orthanc/failed-jobs.ts'
import { type JobState, JobStateFile, jobStateIn, knownJobs } from '../../src/orthanc/job-state-file.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { UploadOutcomes } from '../../src/orthanc/upload-outcomes.ts'
import { eventually } from '../helpers/eventually.ts'
import { startProgram } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'
import { url as accountUrl, FakeOrthanc, outage, serveOrthanc, stageOf } from '../orthanc/job-stage.ts'

const skip = process.platform === 'win32' && 'Windows has no signals, and no sockets that can be inherited'

t.test(
  'a successor knows of failed jobs what its predecessor knew, and what that sees to the end',
  { skip },
  async (t) => {
    const emulator = await startEmulator()
    t.teardown(() => emulator.close())
    const folder = t.testdir()
    const { serviceAccountFile: ServiceAccountFile } = await emulator.writeCredentials(folder)
    const orthanc = new FakeOrthanc()
    const Listen = `127.0.0.1:${await freePort()}`
    const url = `http://${Listen}/google/`
    orthanc.entries = { google: { Url: url } }
    const file = join(folder, 'orthanc.json')
    const Accounts = { google: { ...demoAccount, ServiceAccountFile } }
    const Orthanc = { Url: await serveOrthanc(t, orthanc), ResubmitFailedJobs: { Interval: 1 } }
    const google = { BaseUrl: emulator.baseUrl, TokenUrl: emulator.tokenUrl, Accounts }
    const DicomWebProxy = { Listen, AdminListen: null, Retry: { TotalTimeout: 0 }, Orthanc }
    await writeFile(file, JSON.stringify({ GoogleCloudPlatform: google, DicomWebProxy }))
    const { child, output } = startProgram(t, ['--config', file])
    await eventually('it has a token', () => output().includes('access token fetched'))
    await eventually('it asks Orthanc', () => orthanc.requests > 3)

    const { contentType, chunks } = multipart(syntheticStudy({ instances: 4 }), 'test-boundary')
    const body = Buffer.concat([...chunks])
    /** As one of Orthanc's jobs, which is said to have failed when its upload has. */
    const startUpload = (id: string) => {
      const startedAt = Date.now()
      const upload = request(`${url}studies`, {
        method: 'POST',
        agent: false,
        headers: { 'content-type': contentType },
      })
      upload.write(body.subarray(0, body.length / 2))
      return async () => {
        upload.end(body.subarray(body.length / 2))
        const [response] = await once(upload, 'response')
        response.resume()
        const endedAt = Date.now()
        orthanc.jobs.set(id, { state: 'Failure', server: 'google', endedAt, runtime: endedAt - startedAt })
        return response.statusCode
      }
    }
    orthanc.works = false
    emulator.faults.add({ target: 'STOW-RS', status: 503 })
    t.equal(await startUpload('before')(), 503)
    const uploads = () => emulator.log.filter(({ target }) => target.endsWith('/studies')).length
    const before = uploads()
    const finish = startUpload('during')
    await eventually('it arrives at Google', () => uploads() > before)
    child.kill('SIGUSR2')
    await eventually('a successor serves', () => output().includes('a successor accepts connections'))
    const [, pid] = /"successor":(\d+)/.exec(output()) ?? []
    t.teardown(() => process.kill(Number(pid), 'SIGKILL'))
    t.equal(await finish(), 503)
    await eventually('the predecessor has ended', () => output().includes('the predecessor has ended'))
    t.notMatch(output(), /failed uploads of Orthanc that waited are not sent again/)
    emulator.faults.clear()
    orthanc.works = true
    await eventually('both are sent', () => orthanc.started.length === 2)
    t.same(orthanc.started.map(({ Resources }) => Resources[0]).sort(), ['before a', 'during a'])
  },
)

t.test('a successor sends what Orthanc has forgotten', async (t) => {
  const { orthanc, jobs, begin, states, fails } = await stageOf(t)
  orthanc.works = false
  for (const id of ['one', 'two']) fails(id)
  const loop = begin()
  await eventually('they wait', () => states().filter((state) => state === 'waiting').length === 2)
  await loop.close()
  const told = JSON.parse(JSON.stringify({ orthanc: accountUrl, ...jobs.handedMemory() }))
  orthanc.jobs.delete('one')
  orthanc.works = true
  const known = new FailedJobs(new UploadOutcomes())
  begin({ known, inherited: knownJobs(jobStateIn(told), accountUrl) })
  await eventually('they have succeeded', () => states().filter((state) => state === 'succeeded').length === 2)
  const sent = [
    ['one a', 'one b'],
    ['two a', 'two b'],
  ]
  t.same(orthanc.started.map(({ Resources }) => Resources).sort(), sent)
})

t.test('what a job sends is not believed of a StateFile', async (t) => {
  const { told } = await second(t)
  const path = join(t.testdirName, 'jobs.json')
  await writeFile(path, JSON.stringify(told))
  const { known } = await new JobStateFile(path, told.orthanc).read()
  t.match(known.jobs, [{ id: 'one', instances: [] }])
})

/** The second of three processes, and what the first one tells it. */
async function second(t: Test) {
  const orthanc = new FakeOrthanc()
  orthanc.works = false
  const Url = await serveOrthanc(t, orthanc)
  const folder = t.testdir()
  const { Project, Location, Dataset, DicomStore } = demoAccount
  const store = [Project, Location, Dataset, DicomStore].join('/')
  const Accounts = { google: { ...demoAccount, ServiceAccountFile: 'none.json' } }
  const DicomWebProxy = { Orthanc: { Url, ResubmitFailedJobs: { Interval: 1 } } }
  orthanc.jobs.set('one', { state: 'Failure', server: 'google', endedAt: Date.now() })
  const path = join(folder, 'orthanc.json')
  await writeFile(path, JSON.stringify({ GoogleCloudPlatform: { Accounts }, DicomWebProxy }))
  const settings = await loadSettings({ path, environment: {}, workingDirectory: '/', homeDirectory: '/' })
  const destination = new Writable({ write: (_line, _encoding, done) => done() })
  const outcomes = new UploadOutcomes()
  const options = { logger: createLogger({ verbose: false, destination }), failedJobs: new FailedJobs(outcomes) }
  const released = Promise.withResolvers<JobState | null>()
  const registration = new Registration(settings, 'http://127.0.0.1:8043', options, released.promise)
  const now = Date.now()
  const job = {
    ...{ id: 'one', replaces: null, account: 'google', store, completion: '', state: 'waiting' as const },
    ...{ attempts: 1, createdAt: now, failedAt: now, instances: ['one a'] },
  }
  const failed = [{ account: 'google', startedAt: now - 2, endedAt: now - 1, failure: 'outage' as const }]
  const uploads = { since: now - 10, accounts: {}, failed }
  const told: JobState = { orthanc: Url, jobs: [job], ended: { settled: ['one'], uploads, stores: { google: store } } }
  return { orthanc, outcomes, registration, released, told }
}

t.test('of three processes, the second tells the third what the first knew', async (t) => {
  const { orthanc, registration, released, told } = await second(t)
  released.resolve(told)
  await eventually('it looks whether the account works', () => orthanc.searches > 0)
  t.same(await registration.stop(), told)
})

t.test('also if the first leaves Orthanc to it later', async (t) => {
  const { outcomes, registration, released, told } = await second(t)
  const stopped = registration.stop()
  outcomes.record(outage())
  released.resolve(told)
  const passedOn = await stopped
  t.same(passedOn?.jobs, told.jobs)
  t.match(passedOn?.ended?.uploads, { since: told.ended?.uploads.since })
  t.equal(passedOn?.ended?.uploads.failed.length, 2, 'with an upload that failed at this one')
})
