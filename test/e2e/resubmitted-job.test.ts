import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { harnessOf, serve } from './registering.ts'

/**
 * Orthanc's `/jobs/ID/resubmit` begins where the failed upload has ended, and then says that all was
 * sent: docs/orthanc.md warns of it. If this fails, a newer Orthanc may have learned better.
 */
t.test(
  'a failed upload that is resubmitted in Orthanc lacks instances, and compare finds them',
  needsOrthanc(),
  async (t) => {
    const harness = await harnessOf(t)
    const Listen = `127.0.0.1:${await freePort()}`
    const config = await harness.configuration({ proxy: { Listen, Retry: { TotalTimeout: 0 } } })
    const orthanc = await startOrthanc(t, { servers: { 'my-google': { Url: `http://${Listen}/my-google/` } } })
    serve(t, config)
    await eventually('the proxy listens', () =>
      orthanc.rest.qido('my-google', '/studies').then(
        () => true,
        () => false,
      ),
    )

    let study = ''
    const instances = [...syntheticStudy({ instances: 80, rows: 512, columns: 512 })]
    for (const { bytes } of instances) study = (await orthanc.rest.upload(bytes)).ParentStudy
    harness.emulator.faults.add({ target: 'STOW-RS', resetDuring: 1_000_000, times: 1 })
    const failed = await orthanc.rest.stow('my-google', [study])
    t.match(failed, { state: 'Failure', errorDescription: 'Error in the network protocol' })

    await fetch(`${orthanc.url}/jobs/${failed.id}/resubmit`, { method: 'POST', body: '{}' })
    const stows = () =>
      harness.emulator.log.filter(({ method, target }) => method === 'POST' && target.endsWith('/studies'))
    await eventually('it is sent again', () => stows().some(({ status }) => status === 200))
    const resubmitted = await orthanc.rest.job(failed.id)
    t.match(resubmitted, { state: 'Success', content: { InstancesCount: '80' } }, 'it looks complete')

    const args = ['compare', '--config', config, '--account', 'my-google', '--orthanc', orthanc.url, '--json']
    const { child, output } = startProgram(t, args)
    t.equal(await ended(child), 1)
    const [difference] = output().split('\n')
    const { google, missingAtGoogle } = JSON.parse(difference ?? '')
    t.ok(google.instances < 80, `${google.instances} of 80 are at Google`)
    t.equal(missingAtGoogle.count, 80 - google.instances)
  },
)
