import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import type { Fault } from '../../src/emulator/faults.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { type Served, type ServedOptions, startServed, stowOf } from '../helpers/served.ts'

// Each test has a proxy of its own, and waits most of the time.
t.jobs = 4

const study = [...syntheticStudy({ series: 2, instances: 2 })]
const [first] = study
const studyPath = `studies/${first?.studyInstanceUid}`
const seriesPath = `${studyPath}/series/${first?.seriesInstanceUid}`
const method = 'DELETE'
const dataset = 'projects/demo/locations/europe-west4/datasets/imaging'

async function startStored(t: Test, options: ServedOptions = {}) {
  const served = await startServed(t, options)
  t.equal((await fetch(`${served.url}studies`, stowOf(study))).status, 200)
  served.emulator.clearLog()
  return served
}

/** Requests for Google's operations: the status of each response. */
function polls({ emulator }: Served) {
  return emulator.log.filter(({ target }) => target.includes('/operations/')).map(({ status }) => status)
}

async function instancesIn({ url }: Served): Promise<number> {
  return ((await (await fetch(`${url}instances`)).json()) as unknown[]).length
}

function requestLines({ log }: Served) {
  return log().filter(({ msg }) => msg === 'request')
}

const aName = /^projects\/demo\/locations\/europe-west4\/datasets\/imaging\/operations\/\d+$/

t.test('a study is deleted when the response comes: none is found, and it can be stored again at once', async (t) => {
  const served = await startStored(t)
  const { url, emulator } = served
  const response = await fetch(url + studyPath, { method })
  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'application/json')
  t.equal(response.headers.get('proxy-status'), null)
  t.match(await response.json(), { name: aName, done: true, metadata: { counter: { success: '4' } } })
  t.equal(await instancesIn(served), 0)
  t.equal((await fetch(`${url}studies`, stowOf(study))).status, 200)
  const [deletion, poll] = emulator.log
  t.equal(deletion?.headers['accept-encoding'], undefined, 'a compressed operation could not be read')
  t.match(poll, { method: 'GET', headers: { 'user-agent': /^gcp-dicomweb-proxy/, authorization: /^Bearer / } })
  t.match(requestLines(served)[1], { status: 200, attempts: 1, route: '/studies/{study}' })
})

t.test('a series, too; an instance needs no waiting', async (t) => {
  const served = await startStored(t)
  t.match(await (await fetch(served.url + seriesPath, { method })).json(), { done: true })
  t.equal(await instancesIn(served), 2)
  const seen = polls(served).length
  const [other] = study.slice(-1)
  const path = `${studyPath}/series/${other?.seriesInstanceUid}/instances/${other?.sopInstanceUid}`
  t.same(await (await fetch(served.url + path, { method })).json(), {})
  t.equal(await instancesIn(served), 1)
  t.equal(polls(served).length, seen)
})

t.test('the project to bill is that of the account', async (t) => {
  const served = await startStored(t, {
    accounts: (files) => ({
      billed: {
        Project: 'demo',
        Location: 'europe-west4',
        Dataset: 'imaging',
        DicomStore: 'demo',
        QuotaProject: 'demo',
        ServiceAccountFile: files.serviceAccountFile,
      },
    }),
  })
  t.equal((await fetch(`${served.proxy.url}/billed/${studyPath}`, { method })).status, 200)
  t.match(served.emulator.log, [
    { headers: { 'x-goog-user-project': 'demo' } },
    { headers: { 'x-goog-user-project': 'demo' } },
  ])
})

t.test('an operation that ends in an error', async (t) => {
  const served = await startStored(t)
  const message = `Study ${first?.studyInstanceUid} is\n under legal hold. ${'x'.repeat(1000)} "Doe^Jane"`
  served.emulator.failOperations({ error: { code: 9, message } })
  const response = await fetch(served.url + studyPath, { method })
  t.equal(response.status, 502)
  t.match(response.headers.get('proxy-status'), /details="deletion-failed"/)
  const problem = (await response.json()) as { detail: string }
  t.match(problem, { code: 'deletion-failed', layer: 'upstream', account: 'google', attempts: 1 })
  t.match(
    problem.detail,
    /failed: FAILED_PRECONDITION: Study … is under legal hold\. … "…" Search for what is left, and/,
  )
  t.ok(problem.detail.length < 500)
  t.equal(await instancesIn(served), 4)
  const lines = JSON.stringify(served.log())
  t.match(lines, 'deletion-failed')
  t.notMatch(lines + JSON.stringify(problem), new RegExp(`${first?.studyInstanceUid}|Doe`))
})

t.test('an operation that deletes a part only', async (t) => {
  const served = await startStored(t)
  served.emulator.failOperations({ failures: 1 })
  const response = await fetch(served.url + studyPath, { method })
  t.equal(response.status, 502)
  t.match(await response.json(), {
    code: 'deletion-failed',
    detail: /1 could not be deleted, 3 were\. Search for what/,
  })
  t.equal(await instancesIn(served), 1)
  served.emulator.failOperations({})
  t.equal((await fetch(served.url + studyPath, { method })).status, 200)
  t.equal(await instancesIn(served), 0)
})

t.test('a deletion that takes longer than the wait gets 202, and continues', async (t) => {
  const served = await startStored(t, { proxy: { DeletionWait: 1 } })
  served.emulator.setOperationDuration(Number.POSITIVE_INFINITY)
  const startedAt = performance.now()
  const response = await fetch(served.url + studyPath, { method })
  t.ok(performance.now() - startedAt >= 990)
  t.equal(response.status, 202)
  t.equal(
    response.headers.get('proxy-status'),
    'gcp-dicomweb-proxy; received-status=200; details="the deletion goes on: not done in time"',
  )
  const operation = (await response.json()) as { name: string; metadata: object; done?: boolean }
  t.match(operation, { name: aName, metadata: { createTime: String } }, 'the last that Google said')
  t.notOk(operation.done)
  t.match(requestLines(served).at(-1), { status: 202, detail: /longer than DicomWebProxy\.DeletionWait/ })
  await served.emulator.finishOperations()
  t.equal(await instancesIn(served), 0)
})

t.test('DeletionWait 0 passes the operation through at once', async (t) => {
  const served = await startStored(t, { proxy: { DeletionWait: 0 } })
  served.emulator.setOperationDuration(Number.POSITIVE_INFINITY)
  const response = await fetch(served.url + studyPath, { method })
  t.equal(response.status, 200)
  t.strictSame(Object.keys((await response.json()) as object), ['name'])
  t.same(polls(served), [])
})

const failures: [Omit<Fault, 'target'>, polls: unknown[]][] = [
  [{ status: 503 }, [503, 200]],
  [{ status: 429 }, [429, 200]],
  [{ status: 408 }, [408, 200]],
  [{ resetBefore: true }, [undefined, 200]],
  [{ truncate: 5 }, [200, 200]],
  [{ garbage: true }, [200, 200]],
  [{ status: 200, body: 'x'.repeat(200_000) }, [200, 200]],
  [{ status: 200, body: { name: `${dataset}/operations/1`, done: true } }, [200, 200]],
  [{ status: 401 }, [401, 200]],
]

for (const [fault, expected] of failures) {
  t.test(`a poll that fails is followed by others: ${JSON.stringify(fault).slice(0, 80)}`, async (t) => {
    const served = await startStored(t)
    served.emulator.faults.add({ target: 'operation', times: 1, ...fault })
    t.match(await (await fetch(served.url + studyPath, { method })).json(), { done: true })
    t.same(polls(served).slice(0, 2), expected)
    // On a busy machine, the operation has not always ended by the second.
    t.ok(
      polls(served)
        .slice(2)
        .every((status) => status === 200),
    )
  })
}

t.test('a token that is rejected meanwhile is replaced', async (t) => {
  const served = await startStored(t)
  served.emulator.setOperationDuration(Number.POSITIVE_INFINITY)
  const before = served.emulator.tokenRequests.total
  const deleting = fetch(served.url + studyPath, { method })
  await eventually('a poll', () => polls(served).length > 0)
  served.emulator.revokeTokens()
  await eventually('a poll with a fresh token', () => polls(served).includes(401) && polls(served).at(-1) === 200)
  await served.emulator.finishOperations()
  t.equal((await deleting).status, 200)
  t.equal(served.emulator.tokenRequests.total, before + 1)
})

t.test('no token meanwhile: the deletion is waited for all the same', async (t) => {
  const served = await startStored(t, { proxy: { DeletionWait: 1 } })
  served.emulator.setOperationDuration(Number.POSITIVE_INFINITY)
  served.emulator.faults.add({ target: 'token', status: 500 })
  served.emulator.faults.add({ target: 'operation', status: 401 })
  t.equal((await fetch(served.url + studyPath, { method })).status, 202)
  t.same(polls(served), [401])
})

for (const status of [403, 404, 401, 302]) {
  t.test(`polls that are refused (${status}) end the wait`, async (t) => {
    const served = await startStored(t)
    served.emulator.setOperationDuration(Number.POSITIVE_INFINITY)
    const headers = { location: `${served.emulator.baseUrl}elsewhere` }
    served.emulator.faults.add({ target: 'operation', status, headers })
    const response = await fetch(served.url + studyPath, { method })
    t.equal(response.status, 202)
    t.match(response.headers.get('proxy-status'), /details="the deletion goes on: Google does not tell how far it is"/)
    t.match(await response.json(), { name: aName })
    t.same(polls(served), status === 401 ? [401, 401] : [status])
    t.notOk(served.emulator.log.some(({ target }) => target.endsWith('elsewhere')))
    const detail = status === 403 ? /Grant .* roles\/healthcare\.datasetViewer/ : new RegExp(`\\(${status}\\)\\.$`)
    t.match(requestLines(served).at(-1), { status: 202, detail })
  })
}

const elsewhere: unknown[] = [
  `${dataset}/operations/../../../dicomStores`,
  `${dataset}/operations/..`,
  `${dataset}/operations/.`,
  `${dataset}/operations/%2e%2e`,
  `${dataset}/operations/1/`,
  `${dataset}/operations/1/x`,
  `${dataset}/operations/1?alt=media`,
  `${dataset}/operations/1#x`,
  `${dataset}/operations/1\n`,
  `${dataset}/operations/`,
  `${dataset}/operations//1`,
  `/${dataset}/operations/1`,
  `../${dataset}/operations/1`,
  'projects/../locations/europe-west4/datasets/imaging/operations/1',
  'projects/demo/locations/europe-west4/datasets/other/operations/1',
  'projects/demo/locations/us/datasets/imaging/operations/1',
  'projects/demo/locations/europe-west4/datasets/../operations/1',
  'projects/demo/locations/europe-west4/operations/1',
  'https://127.0.0.1/v1/operations/1',
  `https://127.0.0.1/${dataset}/operations/1`,
  `//127.0.0.1/${dataset}/operations/1`,
  'operations/1',
  '',
  null,
  1,
  [`${dataset}/operations/1`],
]

t.test('a name that leads elsewhere is never requested: the response passes unchanged', async (t) => {
  const asked: string[] = []
  let body = ''
  const google = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.setHeader('content-type', 'application/json; charset=UTF-8')
    response.end(body)
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const bodies = [...elsewhere.map((name) => JSON.stringify({ name })), '{}']
  for (body of bodies) {
    asked.length = 0
    const response = await fetch(url + studyPath, { method })
    t.equal(response.status, 200, body)
    t.equal(response.headers.get('content-type'), 'application/json; charset=UTF-8')
    t.equal(await response.text(), body)
    t.strictSame(asked, [`DELETE /${dataset}/dicomStores/demo/dicomWeb/${studyPath}`], 'nothing else was asked')
  }
  for (body of ['[]', 'null', '1', '{"name":', '', '<html>Welcome to the network of our hospital']) {
    const response = await fetch(url + studyPath, { method })
    t.match(await response.json(), { status: 502, code: 'upstream-invalid' }, 'no confirmation of a deletion')
  }
})

t.test('a project by its number, and an operation that is done at once', async (t) => {
  const asked: (string | undefined)[] = []
  const name = 'projects/123456789012/locations/europe-west4/datasets/imaging/operations/7'
  let done = false
  const google = createServer((request, response) => {
    asked.push(request.url)
    response.end(JSON.stringify({ name, done: done || request.method === 'GET' }))
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  t.match(await (await fetch(url + studyPath, { method })).json(), { name, done: true })
  t.equal(asked.at(-1), `/${name}`)
  done = true
  asked.length = 0
  t.match(await (await fetch(url + studyPath, { method })).json(), { name, done: true })
  t.equal(asked.length, 1)
})

t.test('refusals of the deletion itself pass as ever', async (t) => {
  const served = await startStored(t)
  for (const status of [403, 404, 409, 503]) {
    served.emulator.faults.add({ target: 'DELETE', times: 1, status })
    const response = await fetch(served.url + studyPath, { method })
    t.equal(response.status, status)
    t.match(await response.json(), { error: { code: status } })
  }
  t.same(polls(served), [])
})

t.test('a client that leaves ends the polling', async (t) => {
  const served = await startStored(t)
  served.emulator.setOperationDuration(Number.POSITIVE_INFINITY)
  served.emulator.faults.add({ target: 'operation', hang: true, skip: 1 })
  const leaving = new AbortController()
  const deleting = fetch(served.url + studyPath, { method, signal: leaving.signal })
  await eventually('a poll that hangs', () => polls(served).length === 2)
  leaving.abort()
  await t.rejects(deleting, { name: 'AbortError' })
  // It comes after the last poll, and none begins after it.
  await eventually('the log says so', () => requestLines(served).at(-1)?.abortedBy === 'client')
  t.equal(polls(served).length, 2)
  t.match(requestLines(served).at(-1), { service: 'DELETE', status: null })
})

t.test('a shutdown ends the waiting', async (t) => {
  const served = await startStored(t)
  served.emulator.setOperationDuration(Number.POSITIVE_INFINITY)
  const deleting = fetch(served.url + studyPath, { method })
  await eventually('a poll', () => polls(served).length > 0)
  const startedAt = performance.now()
  const closing = served.proxy.close()
  const response = await deleting
  t.equal(response.status, 202)
  t.match(response.headers.get('proxy-status'), /details="the deletion goes on: the proxy ends"/)
  t.match(await response.json(), { name: aName })
  await closing
  t.ok(performance.now() - startedAt < 15_000, 'it was not cut after the grace')
})

t.test('clients have no way to operations', async (t) => {
  const served = await startStored(t)
  const { name } = (await (await fetch(served.url + studyPath, { method })).json()) as { name: string }
  const id = name.split('/').at(-1)
  served.emulator.clearLog()
  for (const path of [name, `operations/${id}`, `dicomWeb/operations/${id}`, `../v1/${name}`, `../${name}`]) {
    t.equal((await fetch(served.url + path)).status, 404, path)
  }
  t.same(served.emulator.log, [])
})
