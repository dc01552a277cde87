import { realpathSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { findOrthanc } from '../../src/orthanc/find-orthanc.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'
import { needs } from '../helpers/peer.ts'
import { harnessOf, serve } from './registering.ts'

interface Status {
  accounts: { failedJobs: object }[]
}

t.setTimeout(150_000)

/** The plugin's file has its version in its name. */
function needsNewPlugin(): { skip?: string } {
  const { skip } = needsOrthanc()
  if (skip) return { skip }
  const file = realpathSync(findOrthanc()?.dicomWebPlugin ?? '')
  const [, major = 0, minor = 0] = (/\.so\.(\d+)\.(\d+)/.exec(file) ?? []).map(Number)
  const isOld = major === 1 && minor < 18
  return isOld ? { skip: 'Orthanc’s DICOMweb plugin is older than 1.18' } : needs('', true)
}

t.test(
  'uploads that fail in an outage arrive after it; a refused one stays failed',
  { ...needsNewPlugin(), timeout: 120_000 },
  async (t) => {
    const harness = await harnessOf(t)
    const [Listen, AdminListen] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
    const orthanc = await startOrthanc(t)
    const config = await harness.configuration({
      proxy: {
        Listen,
        AdminListen,
        Retry: { TotalTimeout: 0 },
        Orthanc: { Url: orthanc.url, ResubmitFailedJobs: { Interval: 1 } },
      },
    })
    const { count, lines } = serve(t, config)
    await eventually('it is registered', () => count('registered in Orthanc') > 0)
    const send = async (seed: number) => {
      const instances = [...syntheticStudy({ seed, rows: 8, columns: 8 })]
      const stored = []
      for (const { bytes } of instances) stored.push(await orthanc.rest.upload(bytes))
      const job = await orthanc.rest.stow('my-google', [stored[0]?.ParentStudy ?? ''])
      return { job, instances }
    }
    const { faults, log } = harness.emulator
    const uploads = () => log.filter(({ method, target }) => method === 'POST' && target.endsWith('/studies')).length

    faults.add({ target: 'STOW-RS', status: 409, times: 1 })
    const refused = await send(9)
    t.equal(refused.job.state, 'Failure')
    // Two jobs that end at the same moment can't be told apart.
    await delay(5_000)

    for (const target of ['STOW-RS', 'QIDO-RS'] as const) faults.add({ target, status: 503 })
    const failed = [await send(1)]
    faults.clear()
    for (const target of ['STOW-RS', 'QIDO-RS'] as const) faults.add({ target, resetBefore: true })
    failed.push(await send(2))
    for (const { job } of failed) t.equal(job.state, 'Failure')
    await eventually(
      'they wait',
      () => count('an upload of Orthanc failed in an outage, and waits to be sent again') === 2,
    )
    const status = async () => {
      const { accounts } = (await (await fetch(`http://${AdminListen}/api/status`)).json()) as Status
      return accounts[0]?.failedJobs
    }
    t.match(await status(), { waiting: 2, jobs: [{ state: 'waiting', attempts: 0, nextAttemptAt: /^\d{4}-/ }] })
    const before = uploads()
    t.equal(count('started a new job in Orthanc for an upload that failed'), 0, 'not before the account works')

    faults.clear()
    await eventually(
      'all have succeeded',
      () => count('the new job of an upload that failed has succeeded') === 2,
      60_000,
    )
    for (const { job, instances } of failed) {
      t.equal((await orthanc.rest.job(job.id)).state, 'Failure', 'the old job is left')
      const uid = instances[0]?.studyInstanceUid ?? ''
      const found = await orthanc.rest.qido('my-google', `/studies/${uid}/instances`)
      t.equal(found.length, instances.length, 'nothing is lost')
    }
    t.equal(uploads() - before, 2, 'each once')
    t.match(await status(), { waiting: 0, jobs: [{ state: 'succeeded', attempts: 1 }, {}] })
    t.equal((await orthanc.rest.job(refused.job.id)).state, 'Failure')
    t.match(
      lines().find(({ msg }) => msg === 'failed uploads in Orthanc are left as they are'),
      { jobs: [refused.job.id], reason: /^its upload was refused.*gcp-dicomweb-proxy compare/ },
    )
    t.notMatch(JSON.stringify(lines()), /Synthetic|SYN-|2\.25\.\d{8}/, 'nothing of a patient')
  },
)
