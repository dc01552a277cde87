// Seen: a restart by a successor (SIGUSR2) without StateFile forgot the failed jobs that waited, and
// uploads that failed on the process that was finishing its connections were never sent again.
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { multipart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { startProgram } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'
import { FakeOrthanc, serveOrthanc } from '../orthanc/job-stage.ts'

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
