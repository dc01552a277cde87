import { join } from 'node:path'
import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { Registration } from '../../src/cli/serve/orthanc-registration.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { FailedJobs } from '../../src/orthanc/failed-jobs.ts'
import { UploadOutcomes } from '../../src/orthanc/upload-outcomes.ts'
import { configuration, load } from '../config/settings-of.ts'
import { eventually } from '../helpers/eventually.ts'

/** Nobody is there. */
const Url = 'http://127.0.0.1:9'

function settingsWith(t: Test, orthanc: object) {
  return load(t, configuration({ DicomWebProxy: { Orthanc: { Url, ...orthanc } } }), {
    files: { 'key.json': '{}' },
  })
}

/** With two jobs that wait. */
async function stageOf(t: Test, resubmission: object) {
  const lines: Record<string, unknown>[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(
        ...String(chunk)
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
      )
      done()
    },
  })
  const failedJobs = new FailedJobs(new UploadOutcomes())
  const logger = createLogger({ verbose: false, destination })
  const settings = await settingsWith(t, { ResubmitFailedJobs: resubmission })
  const registration = new Registration(settings, 'http://127.0.0.1:8043', { logger, failedJobs })
  const job = { replaces: null, account: 'a', store: 's', completion: '', state: 'waiting', attempts: 0 } as const
  const times = { createdAt: Date.now(), failedAt: Date.now() }
  failedJobs.restore({ jobs: ['one', 'two'].map((id) => ({ ...job, ...times, id })), ended: null })
  const told = () => lines.filter(({ msg }) => msg === 'failed uploads of Orthanc that waited are not sent again')
  return { registration, failedJobs, told }
}

t.test('a reload that ends ResubmitFailedJobs, or leads to another Orthanc, says which jobs it forgets', async (t) => {
  for (const change of [
    {},
    { ResubmitFailedJobs: { Enabled: false } },
    { Url: 'http://127.0.0.1:10', ResubmitFailedJobs: {} },
  ]) {
    const { registration, failedJobs, told } = await stageOf(t, {})
    registration.replace(await settingsWith(t, { ResubmitFailedJobs: { MaxAttempts: 9 } }))
    registration.replace(await settingsWith(t, change))
    await eventually('it is told', () => told().length > 0)
    t.match(told(), [{ level: 'warn', jobs: ['one', 'two'], count: 2, reason: 'the configuration says so no longer' }])
    t.same(failedJobs.of('a'), [])
    await registration.close()
    t.equal(told().length, 1, 'once')
  }
})

t.test('an end of the proxy does so, too, unless a StateFile remembers them', async (t) => {
  const { registration, told } = await stageOf(t, {})
  await registration.close()
  t.match(told(), [{ jobs: ['one', 'two'], reason: 'the proxy ends, and ResubmitFailedJobs has no StateFile' }])

  const remembered = await stageOf(t, { StateFile: join(t.testdir(), 'jobs.json') })
  await remembered.registration.close()
  t.same(remembered.told(), [])
})
