import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { type ServedOptions, startServed, stowOf } from '../helpers/served.ts'

const instances = [...syntheticStudy({ instances: 2, seed: 1 })]
const [first] = instances
const other = [...syntheticStudy({ instances: 1, seed: 2 })]
const study = first?.studyInstanceUid ?? ''
const uids = instances.map(({ sopInstanceUid }) => sopInstanceUid)

type Line = Record<string, unknown>

async function startAudited(t: Test, audit: object = {}, options: ServedOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'audit-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'audit.jsonl')
  const proxy = { Audit: { File: file, ...audit }, ...options.proxy }
  const served = await startServed(t, { ...options, proxy })
  const lines = async (path = file): Promise<Line[]> =>
    (await readFile(path, 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  const requests = async (path = file) => (await lines(path)).filter(({ audit }) => audit === 'request')
  /** Sends a request, and waits for its line, which comes just after the response. */
  const ask = async (path: string, init: RequestInit = {}) => {
    const before = (await requests()).length
    const response = await fetch(served.url + path, init)
    await response.arrayBuffer()
    await eventually('it is recorded', async () => (await requests()).length > before)
    return response
  }
  return { ...served, file, lines, requests, ask }
}

t.test('one line per request: who, what, about whom, what became of it', async (t) => {
  const { ask, requests, log, proxy, lines } = await startAudited(t)
  await ask('studies', stowOf(instances))
  await ask(`studies/${study}`, stowOf([...instances, ...other]))
  await ask(`studies/${study}/series?PatientName=Doe%5EJane&limit=1`)
  await ask(`studies/${study}/series/${first?.seriesInstanceUid}/instances/${uids[0]}`)
  await ask('studies?bogus=Doe')
  await ask(`studies/${study}`, { method: 'DELETE' })
  await ask('nothing/Doe')
  const records = await requests()
  const everywhere = { time: /^\d{4}-.*Z$/, requestId: /^[0-9a-f-]{36}$/, address: '127.0.0.1', account: 'google' }
  t.match(records, [
    {
      ...everywhere,
      service: 'STOW-RS',
      method: 'POST',
      route: '/studies',
      outcome: 'succeeded',
      status: 200,
      attempts: 1,
      instancesStored: 2,
      instancesFailed: 0,
      stored: uids,
      failed: undefined,
    },
    {
      service: 'STOW-RS',
      study,
      outcome: 'incomplete',
      status: 409,
      instancesStored: 2,
      instancesFailed: 1,
      stored: uids,
      failed: [other[0]?.sopInstanceUid],
    },
    { service: 'QIDO-RS', route: '/studies/{study}/series', study, query: 'PatientName=&limit=', status: 204 },
    { service: 'WADO-RS', study, series: first?.seriesInstanceUid, instance: uids[0], query: undefined, status: 200 },
    { service: 'QIDO-RS', outcome: 'rejected', status: 400, code: 'query-not-allowed', query: undefined, attempts: 0 },
    { service: 'DELETE', study, outcome: 'succeeded', status: 200 },
    { account: 'google', service: undefined, outcome: 'rejected', status: 404, code: 'not-dicomweb' },
  ])
  t.equal(records.length, 7)
  t.notMatch(JSON.stringify(records), /Doe|ya29/)
  t.same(
    records.map(({ requestId }) => requestId),
    log()
      .filter(({ msg }) => msg === 'request')
      .map(({ requestId }) => requestId),
    'the log has the same requests',
  )
  t.notMatch(JSON.stringify(log()), new RegExp(uids.join('|')))
  await proxy.close()
  const all = await lines()
  t.match([all[0], all.at(-1)], [{ audit: 'start', version: /^\d/ }, { audit: 'stop' }])
})

t.test('the values of queries only if that is wanted', async (t) => {
  const { ask, requests } = await startAudited(t, { QueryValues: true })
  await ask('studies?PatientName=Doe%5EJane')
  t.match(await requests(), [{ query: 'PatientName=Doe%5EJane' }])
})

t.test('a client that disconnects, and a response that breaks off', async (t) => {
  const google = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('part', () => response.destroy())
  })
  const { url, requests } = await startAudited(t, {}, { baseUrl: await listenOn(t, google) })
  await t.rejects((await fetch(`${url}studies/1.2.3`)).text())
  await eventually('it is recorded', async () => (await requests()).length === 1)
  t.match(await requests(), [{ study: '1.2.3', outcome: 'aborted', abortedBy: 'upstream', bytesSent: 4 }])
})

t.test('a renamed file is followed by a new one, and no line is lost', async (t) => {
  const { url, file, requests } = await startAudited(t)
  let asked = 0
  const ask = async () => {
    await (await fetch(`${url}studies`)).arrayBuffer()
    asked += 1
  }
  await ask()
  const rotated = `${file}.1`
  await rename(file, rotated)
  const exists = (path: string) => requests(path).catch(() => null)
  await eventually('the new file is there', async () => {
    await ask()
    return (await exists(file)) !== null
  })
  await ask()
  const counts = async () => [(await requests(rotated)).length, (await requests(file)).length]
  await eventually('all are there', async () => (await counts()).reduce((sum, count) => sum + count) === asked)
  t.ok((await counts()).every((count) => count > 0))
})

t.test('an unwritable trail that is required: nothing passes; what was kept is written when it can be', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'audit-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'audit.jsonl')
  await symlink('/dev/full', file)
  const served = await startServed(t, { proxy: { Audit: { File: file, Required: true } } })
  const { url, proxy, emulator, log } = served
  const refused = await fetch(`${url}studies`)
  t.equal(refused.headers.get('retry-after'), '10')
  t.match(await refused.json(), { status: 503, code: 'audit-unavailable', layer: 'proxy', attempts: 0 })
  t.same(
    emulator.log.filter(({ target }) => target.includes('/dicomWeb/')),
    [],
    'nothing reached Google',
  )
  const ready = await fetch(`${proxy.adminUrl}/readyz`)
  t.match(await ready.json(), { ready: false, audit: { ready: false } })
  t.equal(ready.status, 503)
  t.match(
    log().filter(({ sink }) => sink === file),
    [{ level: 'error', reason: /ENOSPC/ }],
    'said once',
  )
  await rm(file)
  await writeFile(file, '')
  await eventually('it passes again', async () => (await fetch(`${url}studies`)).status === 200)
  await eventually('all of it is there', async () => {
    const text = await readFile(file, 'utf8')
    return /"audit":"start".*"code":"audit-unavailable".*"status":204/s.test(text)
  })
  t.equal((await fetch(`${proxy.adminUrl}/readyz`)).status, 200)
})

t.test('an unwritable trail that is not required: requests pass, and the log says it', async (t) => {
  const served = await startServed(t, { proxy: { Audit: { File: '/dev/full' } } })
  t.equal((await fetch(`${served.url}studies`)).status, 200)
  t.match(
    served.log().filter(({ sink }) => sink),
    [{ level: 'error', reason: /ENOSPC/ }],
  )
  await served.proxy.close()
  t.match(served.log().at(-1), { level: 'error', records: 3, msg: /lost/ })
})

t.test('a file that can’t be opened is reported at the start', async (t) => {
  await t.rejects(startServed(t, { proxy: { Audit: { File: '/nowhere/audit.jsonl' } } }), {
    message: /DicomWebProxy\.Audit\.File: The folder \/nowhere of the audit trail does not exist\. Create it/,
  })
})
