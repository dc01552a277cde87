import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { Registration } from '../../src/cli/serve/orthanc-registration.ts'
import { loadSettings } from '../../src/config/load.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { FailedJobs } from '../../src/orthanc/failed-jobs.ts'
import { UploadOutcomes } from '../../src/orthanc/upload-outcomes.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startProgram } from '../helpers/program.ts'

/** As much of Orthanc's REST interface as a registration needs. */
async function startOrthanc(t: Test) {
  const servers: Record<string, Record<string, unknown>> = {}
  const url = await listenOn(
    t,
    createServer(async (request, response) => {
      const { method, url = '' } = request
      const name = url.split('/')[3] ?? ''
      if (method === 'PUT') servers[name] = (await json(request)) as Record<string, unknown>
      if (method === 'DELETE') delete servers[name]
      response.end(method === 'GET' ? JSON.stringify(servers) : '')
    }),
  )
  return { url, servers }
}

function configuration(names: readonly string[], orthanc: object): string {
  const account = { Project: 'p', Location: 'l', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'missing.json' }
  const Accounts = Object.fromEntries(names.map((name) => [name, account]))
  const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: null, Orthanc: orthanc }
  return JSON.stringify({ GoogleCloudPlatform: { Accounts }, DicomWebProxy })
}

async function started(t: Test, names: readonly string[], orthanc: object) {
  const path = join(t.testdir(), 'orthanc.json')
  await writeFile(path, configuration(names, orthanc))
  const { child, output } = startProgram(t, ['--config', path])
  const change = async (names: readonly string[], orthanc: object) => {
    await writeFile(path, configuration(names, orthanc))
    child.kill('SIGHUP')
  }
  return { output, change }
}

test('what a reload adds is registered, and what it takes away is removed, if it still is ours', async (t) => {
  const { url, servers } = await startOrthanc(t)
  servers.archive = { Url: 'http://127.0.0.1:1/' }
  const names = () => Object.keys(servers).sort().join()
  const { output, change } = await started(t, ['a', 'b', 'c'], { Url: url })
  await eventually('all are registered', () => names() === 'a,archive,b,c')

  servers.b = { Url: 'http://127.0.0.1:2/' }
  await change(['a', 'd'], { Url: url })
  await eventually('they are as they should be', () => names() === 'a,archive,b,d')
  await eventually('the log says so', () => output().includes('removed from Orthanc'))
  t.match(output(), /"accounts":\["c"\],"msg":"removed from Orthanc"/)
  t.same(servers.archive, { Url: 'http://127.0.0.1:1/' })
  t.same(servers.b, { Url: 'http://127.0.0.1:2/' })
})

test('another Orthanc gets the accounts after a reload, and the one before is left as it is', async (t) => {
  const [one, other] = [await startOrthanc(t), await startOrthanc(t)]
  const { change } = await started(t, ['a', 'b'], { Url: one.url })
  await eventually('the first has them', () => Object.keys(one.servers).length === 2)
  await change(['a'], { Url: other.url })
  await eventually('the other has it', () => Object.keys(other.servers).join() === 'a')
  t.same(Object.keys(one.servers).sort(), ['a', 'b'], 'the first is not asked any more')
})

test('a successor leaves Orthanc alone until its predecessor has released it', async (t) => {
  const { url, servers } = await startOrthanc(t)
  const path = join(t.testdir({ 'orthanc.json': configuration(['a'], { Url: url }) }), 'orthanc.json')
  const settings = await loadSettings({ path, environment: {}, workingDirectory: '/', homeDirectory: '/' })
  const destination = new Writable({ write: (_line, _encoding, done) => done() })
  const options = {
    logger: createLogger({ verbose: false, destination }),
    failedJobs: new FailedJobs(new UploadOutcomes()),
  }
  const start = (released: Promise<null>) => new Registration(settings, 'http://127.0.0.1:8043', options, released)
  await start(new Promise(() => {})).close()

  const released = Promise.withResolvers<null>()
  const registration = start(released.promise)
  registration.replace(settings)
  await delay(50)
  t.same(Object.keys(servers), [], 'a reload meanwhile changes nothing')
  released.resolve(null)
  await eventually('it registers', () => Object.keys(servers).join() === 'a')
  await registration.close()
})
