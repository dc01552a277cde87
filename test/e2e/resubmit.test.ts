import { realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { findOrthanc } from '../../src/orthanc/find-orthanc.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'
import { needs } from '../helpers/peer.ts'
import { ended } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'
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

const waits = 'an upload of Orthanc failed in an outage, and waits to be sent again'
const started = 'started a new job in Orthanc for an upload that failed'
const succeeded = 'the new job of an upload that failed has succeeded'

t.test(
  'uploads that fail in an outage arrive after it, also after a restart; a refused one stays failed',
  { ...needsNewPlugin(), timeout: 120_000 },
  async (t) => {
    const harness = await harnessOf(t)
    const { emulator, credentials } = harness
    const [Listen, AdminListen] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
    const orthanc = await startOrthanc(t, { configuration: { JobsHistorySize: 100 } })
    const account = { ...demoAccount, ServiceAccountFile: credentials.serviceAccountFile }
    const ParallelStow = { BatchBytes: 65_536, MemoryBytes: 131_072, Connections: 1 }
    const StateFile = join(harness.folder, 'failed-jobs.json')
    const config = await harness.configuration({
      google: { Accounts: { 'my-google': account, batches: { ...account, ParallelStow, OnDuplicate: 'verify' } } },
      proxy: {
        Listen,
        AdminListen,
        Retry: { TotalTimeout: 0 },
        ShutdownGrace: 1,
        Orthanc: { Url: orthanc.url, ResubmitFailedJobs: { Interval: 1, StateFile } },
      },
    })
    const { child, count, lines } = serve(t, config)
    await eventually('it is registered', () => count('registered in Orthanc') > 0)
    const start = async (account: string, seed: number) => {
      const instances = [...syntheticStudy({ seed, rows: 128, columns: 128, instances: 6 })]
      const stored = []
      for (const { bytes } of instances) stored.push(await orthanc.rest.upload(bytes))
      const id = await orthanc.rest.startStow(account, [stored[0]?.ParentStudy ?? ''], 0)
      return { account, id, study: instances[0]?.studyInstanceUid ?? '', instances }
    }
    const send = async (account: string, seed: number) => {
      const started = await start(account, seed)
      return { ...started, job: await orthanc.rest.job(started.id) }
    }
    const { faults } = emulator

    faults.add({ target: 'STOW-RS', status: 409, times: 1 })
    const refused = await send('my-google', 9)
    t.equal(refused.job.state, 'Failure')
    // Two jobs that end at the same moment can't be told apart.
    await delay(5_000)

    faults.add({ target: 'STOW-RS', status: 503, skip: 1 })
    const failed: Awaited<ReturnType<typeof start>>[] = [await send('batches', 1)]
    t.match(
      lines().findLast(({ msg }) => msg === 'request'),
      { status: 409, batchesFailed: Number },
    )
    faults.clear()
    faults.add({ target: 'STOW-RS', status: 503 })
    failed.push(await send('my-google', 2))
    faults.clear()
    faults.add({ target: 'STOW-RS', resetBefore: true })
    failed.push(await send('my-google', 3))
    faults.clear()
    faults.add({ target: 'token', status: 503 })
    emulator.revokeTokens()
    failed.push(await send('batches', 4))
    for (const { id } of failed) t.equal((await orthanc.rest.job(id)).state, 'Failure')
    await eventually('they wait', () => count(waits) === 4)
    const status = async () => {
      const { accounts } = (await (await fetch(`http://${AdminListen}/api/status`)).json()) as Status
      return accounts.map(({ failedJobs }) => failedJobs)
    }
    const waiting = { waiting: 2, jobs: [{ state: 'waiting', attempts: 0, nextAttemptAt: /^\d{4}-/ }, {}] }
    t.match(await status(), [waiting, waiting])
    t.equal(count(started), 0, 'not before the account works')
    t.match(
      lines().find(({ msg }) => msg === 'failed uploads in Orthanc are left as they are'),
      { jobs: [refused.job.id], reason: /^its upload was refused.*gcp-dicomweb-proxy compare/ },
    )

    // One fails just before the proxy's end, which cuts two more.
    const tokens = count('access token fetched')
    faults.clear()
    faults.add({ target: 'QIDO-RS', status: 503 })
    await eventually('there is a token', () => count('access token fetched') > tokens)
    faults.add({ target: 'STOW-RS', status: 503, times: 1 })
    failed.push(await send('my-google', 5))
    faults.add({ target: 'STOW-RS', hang: true })
    const uploads = () => emulator.log.filter(({ target }) => target.endsWith('/studies')).length
    const before = uploads()
    failed.push(await start('my-google', 6), await start('batches', 7))
    await eventually('they are sent', () => uploads() >= before + 2)
    child.kill('SIGTERM')
    await ended(child)
    t.equal(count('failed uploads of Orthanc that waited are not sent again'), 0)
    t.equal(count(waits), 4)
    const next = serve(t, config)
    await eventually('they wait again, and the others, too', () => next.count(waits) === 7)
    t.equal(next.count(started), 0)
    emulator.behave({ duplicates: 'refused' })
    faults.clear()
    await eventually('all have succeeded', () => next.count(succeeded) === 7, 60_000)
    for (const { account, id, study, instances } of failed) {
      t.equal((await orthanc.rest.job(id)).state, 'Failure', 'the old job is left')
      const found = await orthanc.rest.qido(account, `/studies/${study}/instances`)
      t.equal(found.length, instances.length, 'nothing is lost')
    }
    const partly = next.lines().find(({ msg, instancesIdentical }) => msg === 'request' && instancesIdentical)
    t.match(partly, { account: 'batches', status: 200, instancesStored: 6 }, 'what was there counts as stored')
    const jobs = await Promise.all((await orthanc.rest.jobIds()).map((id) => orthanc.rest.describeJob(id)))
    t.equal(jobs.filter((job) => job?.priority === -1).length, 7, 'a new job for each')
    t.equal(jobs.length, 15)
    const done = { waiting: 0, jobs: [{ state: 'succeeded', attempts: 1 }, {}] }
    t.match(await status(), [done, done])
    t.equal((await orthanc.rest.job(refused.job.id)).state, 'Failure')
    t.equal(next.count('failed uploads in Orthanc are left as they are'), 0, 'told once')
    const told = JSON.stringify([...lines(), ...next.lines()]) + (await readFile(StateFile, 'utf8'))
    t.notMatch(told, /Synthetic|SYN-|2\.25\.\d{8}/, 'nothing of a patient')
  },
)
