// Seen: while Orthanc did not respond to the request for a new job, SIGTERM was not followed for up to
// 28 s: requests went on coming in, and then the process ended by force.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'
import { FakeOrthanc, serveOrthanc } from '../orthanc/job-stage.ts'

t.test('the end does not wait for an Orthanc that does not respond', async (t) => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const { serviceAccountFile: ServiceAccountFile } = await emulator.writeCredentials(folder)
  const orthanc = new FakeOrthanc()
  const Listen = `127.0.0.1:${await freePort()}`
  orthanc.entries = { google: { Url: `http://${Listen}/google/` } }
  const [file, StateFile] = [join(folder, 'orthanc.json'), join(folder, 'jobs.json')]
  const Url = await serveOrthanc(t, orthanc)
  // It waits, as far as the process before knew.
  const endedAt = Date.now() - 60_000
  orthanc.jobs.set('one', { state: 'Failure', server: 'google', endedAt })
  const completion = orthanc.time(endedAt)
  const times = { createdAt: endedAt, failedAt: endedAt }
  const { Project, Location, Dataset, DicomStore } = demoAccount
  const store = [Project, Location, Dataset, DicomStore].join('/')
  const job = {
    id: 'one',
    replaces: null,
    account: 'google',
    store,
    completion,
    state: 'waiting',
    attempts: 0,
    ...times,
  }
  await writeFile(StateFile, JSON.stringify({ orthanc: Url, jobs: [job], ended: null }))
  const Accounts = { google: { ...demoAccount, ServiceAccountFile } }
  const google = { BaseUrl: emulator.baseUrl, TokenUrl: emulator.tokenUrl, Accounts }
  const DicomWebProxy = { Listen, AdminListen: null, Orthanc: { Url, ResubmitFailedJobs: { Interval: 1, StateFile } } }
  await writeFile(file, JSON.stringify({ GoogleCloudPlatform: google, DicomWebProxy }))
  orthanc.startStatus = null
  const { child } = startProgram(t, ['--config', file])
  await eventually('a job is asked for', () => orthanc.started.length > 0)
  const toldAt = performance.now()
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)
  t.ok(performance.now() - toldAt < 15_000, 'soon')
  t.match(JSON.parse(await readFile(StateFile, 'utf8')).jobs, [{ id: 'one', state: 'starting' }], 'it may exist')
})
