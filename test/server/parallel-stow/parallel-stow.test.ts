import { request } from 'node:http'
import t, { type Test } from 'tap'
import type { Fault } from '../../../src/emulator/faults.ts'
import { type SyntheticInstance, syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { eventually } from '../../helpers/eventually.ts'
import { demoAccount, type Served, startServed, stowOf } from '../../helpers/served.ts'

type Item = Record<string, { Value?: unknown[] }>
type StoreResponse = Record<string, { Value?: Item[] }>

const stored = '00081199'
const failed = '00081198'

// What waits for another attempt waits beside the others.
t.jobs = 8

/** SOP Instance UIDs of a sequence, in its order. */
function uidsIn(response: StoreResponse, sequence: string): unknown[] {
  return (response[sequence]?.Value ?? []).map((item) => item['00081155']?.Value?.[0])
}

/** Accounts of one proxy, each with a store of its own, so that tests run beside each other. */
async function startParallel(t: Test, names: readonly string[], connections = 4) {
  const parallel = { Connections: connections, BatchBytes: 65536, MemoryBytes: 1048576 }
  const { Project, Location, Dataset } = demoAccount
  const storeOf = (name: string) => `projects/${Project}/locations/${Location}/datasets/${Dataset}/dicomStores/${name}`
  const served = await startServed(t, {
    emulator: { stores: names.map(storeOf) },
    accounts: ({ serviceAccountFile: ServiceAccountFile }) =>
      Object.fromEntries(
        ['google', ...names].map((name) => [
          name,
          { ...demoAccount, DicomStore: name, ServiceAccountFile, ParallelStow: parallel },
        ]),
      ),
    proxy: { Retry: { TotalTimeout: 30 } },
  })
  return (name: string) => accountOf(served, name, storeOf(name))
}

function accountOf({ emulator, proxy, log }: Served, name: string, store: string) {
  const url = proxy.accountUrls.get(name) ?? ''
  const addFault = (fault: Omit<Fault, 'target' | 'store'>) =>
    emulator.faults.add({ target: 'STOW-RS', store, ...fault })
  const faultsLeft = () => emulator.faults.list().filter((fault) => fault.store === store)
  let seed = 0
  const newStudy = () => [...syntheticStudy({ seed: ++seed, series: 2, instances: 6, rows: 128, columns: 128 })]
  const send = async (study: readonly SyntheticInstance[], accept = 'application/dicom+json') => {
    const request = stowOf(study)
    const response = await fetch(`${url}studies`, { ...request, headers: { ...request.headers, accept } })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  const posts = () =>
    emulator.log.filter(({ method, target }) => method === 'POST' && target.endsWith(`${name}/dicomWeb/studies`))
  const line = () => log().findLast(({ msg, account }) => msg === 'request' && account === name)
  return { emulator, addFault, faultsLeft, url, newStudy, send, posts, line }
}

function uidsOf(study: readonly SyntheticInstance[]): string[] {
  return study.map(({ sopInstanceUid }) => sopInstanceUid)
}

const faults: Readonly<Record<string, readonly Omit<Fault, 'target'>[]>> = {
  statuses: [{ status: 429 }, { status: 503 }, { status: 500 }, { status: 401 }],
  connections: [{ resetDuring: 30_000 }, { lateReset: true }, { resetAfterHeaders: true }, { resetBefore: true }],
}
const account = await startParallel(t, [...Object.keys(faults), 'rejected', 'again', 'older', 'large', 'bytes'])
for (const [name, some] of Object.entries(faults)) {
  t.test(`each fault costs a batch, not the job: of ${name}`, async (t) => {
    const { addFault, faultsLeft, newStudy, send, line } = account(name)
    for (const fault of some) addFault({ times: 1, ...fault })
    const study = newStudy()
    const { status, text } = await send(study)
    const body = JSON.parse(text) as StoreResponse
    t.equal(status, 200, text)
    t.same(new Set(uidsIn(body, stored)), new Set(uidsOf(study)))
    t.equal(uidsIn(body, stored).length, study.length, 'none twice')
    t.match(line(), { status: 200, instancesStored: 12, instancesFailed: 0 })
    t.same(faultsLeft(), [])
  })
}

t.test('a token that Google never takes', async (t) => {
  const { addFault, newStudy, send } = account('rejected')
  addFault({ status: 401 })
  const { status, text } = await send(newStudy().slice(0, 1))
  t.equal(status, 502)
  t.match(JSON.parse(text), { code: 'token-rejected' })
})

t.test('the same study again, and one with other bytes', async (t) => {
  const { emulator, addFault, newStudy, send } = account('again')
  const study = newStudy()
  t.equal((await send(study)).status, 200)
  t.equal((await send(study)).status, 200)
  emulator.behave({ duplicates: 'refused' })
  t.teardown(() => emulator.behave({ duplicates: 'accepted' }))
  const { status, text } = await send(study)
  t.equal(status, 409)
  t.same(uidsIn(JSON.parse(text), failed), uidsOf(study))
  // What was stored without a response is stored, also for a Google that refuses it then.
  const other = newStudy()
  addFault({ times: 1, skip: 1, lateReset: true })
  const again = await send(other)
  t.equal(again.status, 200)
  t.same(new Set(uidsIn(JSON.parse(again.text), stored)), new Set(uidsOf(other)))
})

t.test('an older instance of the same name does not pass for the new one', async (t) => {
  const { addFault, newStudy, send } = account('older')
  const study = newStudy()
  const old = study
    .slice(3, 4)
    .map((instance) => ({ ...instance, bytes: Buffer.concat([instance.bytes.subarray(0, -1), Buffer.from([9])]) }))
  t.equal((await send(old)).status, 200)
  addFault({ times: 2, lateReset: true })
  const { status, text } = await send(study)
  t.equal(status, 409)
  t.same(uidsIn(JSON.parse(text), failed), uidsOf(old))
  t.equal(uidsIn(JSON.parse(text), stored).length, 11)
})

t.test('an instance that is larger than a batch passes by itself', async (t) => {
  const { addFault, url, newStudy, send } = account('large')
  const study = newStudy()
  const [large] = [...syntheticStudy({ seed: 1_000, instances: 1, frames: 30, rows: 256, columns: 256 })]
  if (!large) throw new Error('No instance')
  const all = [...study.slice(0, 3), large, ...study.slice(3)]
  const { status, text } = await send(all)
  t.equal(status, 200)
  t.same(uidsIn(JSON.parse(text), stored), uidsOf(all))
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = large
  const accept = 'application/dicom; transfer-syntax=*'
  const path = `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
  const back = Buffer.from(await (await fetch(`${url}${path}`, { headers: { accept } })).arrayBuffer())
  t.ok(back.equals(large.bytes), 'byte for byte')
  addFault({ times: 1, skip: 1, status: 429 })
  const next = [...syntheticStudy({ seed: 1_001, instances: 1, frames: 30, rows: 256, columns: 256 })]
  t.equal((await send([...newStudy().slice(0, 3), ...next])).status, 200, 'refused at its beginning, it is sent again')
})

t.test('every instance arrives byte for byte', async (t) => {
  const { addFault, url, newStudy, send } = account('bytes')
  const study = newStudy()
  addFault({ times: 2, skip: 1, resetDuring: 10_000 })
  t.equal((await send(study)).status, 200)
  for (const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, bytes } of study) {
    const path = `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
    const accept = 'application/dicom; transfer-syntax=*'
    const back = Buffer.from(await (await fetch(`${url}${path}`, { headers: { accept } })).arrayBuffer())
    if (!back.equals(bytes)) t.fail(`${sopInstanceUid} differs`)
  }
})

t.test('uploads in batches', async (t) => {
  const { emulator, addFault, url, newStudy, send, posts, line } = (await startParallel(t, ['uploads']))('uploads')
  t.beforeEach(() => {
    emulator.clearLog()
    emulator.faults.clear()
  })

  t.test('the response is that of one request', async (t) => {
    const study = newStudy()
    const { status, text } = await send(study)
    const body = JSON.parse(text) as StoreResponse
    t.equal(status, 200)
    t.same(uidsIn(body, stored), uidsOf(study))
    t.notOk(body[failed])
    t.match(JSON.stringify(body['00081190']), url)
    t.ok(posts().length > 2, `${posts().length} batches`)
    t.match(line(), { status: 200, instancesStored: 12, instancesFailed: 0 })
  })

  t.test('XML', async (t) => {
    const study = newStudy()
    const { status, headers, text } = await send(study, 'application/dicom+xml')
    t.equal(status, 200)
    t.equal(headers.get('content-type'), 'application/dicom+xml')
    t.same(
      [...text.matchAll(/<DicomAttribute tag="00081155"[^>]*><Value number="1">([\d.]+)</g)].map(([, uid]) => uid),
      uidsOf(study),
    )
    t.same(
      [...text.matchAll(/<Item number="(\d+)">/g)].map(([, number]) => Number(number)),
      study.map((_, at) => at + 1),
    )
    t.match(line(), { status: 200, instancesStored: 12, instancesFailed: 0 })
    t.ok(posts().length > 2)
  })

  t.test('an instance that is refused', async (t) => {
    const study = newStudy()
    const other = { ...study[5], bytes: Buffer.from('no instance') } as SyntheticInstance
    const { status, text } = await send(study.with(5, other))
    const body = JSON.parse(text) as StoreResponse
    t.equal(status, 409)
    t.same(uidsIn(body, stored), uidsOf(study.toSpliced(5, 1)))
    t.equal(body[failed]?.Value?.length, 1)
    t.match(JSON.stringify(body[failed]), /Not a DICOM Part 10 file/)
    t.match(line(), { status: 409, instancesStored: 11, instancesFailed: 1 })
  })

  t.test('a batch that fails for good', async (t) => {
    const study = newStudy()
    addFault({ times: 1, skip: 1, status: 400 })
    for (const accept of ['application/dicom+json', 'application/dicom+xml']) {
      const { status, text } = await send(study, accept)
      t.equal(status, accept.endsWith('json') ? 409 : 200)
      if (!accept.endsWith('json')) continue
      const body = JSON.parse(text) as StoreResponse
      const lost = uidsIn(body, failed)
      t.ok(lost.length > 0 && lost.length < 12)
      t.same(new Set([...uidsIn(body, stored), ...lost]), new Set(uidsOf(study)))
      t.match(body[failed]?.Value?.[0], { '00081197': { Value: [272] }, '00091097': { Value: [/\(400\)/] } })
      t.match(line(), { status: 409, instancesStored: 12 - lost.length, instancesFailed: lost.length })
    }
  })

  t.test("Google refuses everything: its response is the client's", async (t) => {
    const study = newStudy()
    addFault({ status: 403 })
    const { status, text, headers } = await send(study)
    t.equal(status, 403)
    t.match(JSON.parse(text), { error: { code: 403 } })
    t.match(headers.get('proxy-status'), /received-status=403/)
    t.ok(posts().length <= 4, 'the rest is not sent')
    t.match(line(), { status: 403, layer: 'upstream', instancesStored: undefined })
  })

  t.test('rights that end on the way: the rest is named', async (t) => {
    const study = newStudy()
    addFault({ skip: 2, status: 403 })
    const { status, text } = await send(study)
    const body = JSON.parse(text) as StoreResponse
    t.equal(status, 409)
    t.same(new Set([...uidsIn(body, stored), ...uidsIn(body, failed)]), new Set(uidsOf(study)))
    t.equal(uidsIn(body, stored).length + uidsIn(body, failed).length, 12)
  })

  t.test('one instance is one request, and its response is unchanged', async (t) => {
    const study = newStudy()
    const { status, text } = await send(study.slice(0, 1))
    t.equal(status, 200)
    t.same(uidsIn(JSON.parse(text), stored), uidsOf(study.slice(0, 1)))
    t.equal(posts().length, 1)
  })

  t.test('a body that breaks off, or is none', async (t) => {
    const study = newStudy()
    const { headers, body } = stowOf(study)
    const cut = await fetch(`${url}studies`, { method: 'POST', headers, body: body.subarray(0, -30) })
    t.equal(cut.status, 400)
    const problem = (await cut.json()) as object
    t.match(problem, { code: 'malformed-request', detail: /before its closing boundary/ })
    t.match(problem, { instances: 11, instancesStored: Number, batches: Number, batchesFailed: 0 })
    t.notMatch(JSON.stringify(problem), /2\.25\.\d{8}|SYN-/, 'numbers only')
    const none = await fetch(`${url}studies`, { method: 'POST', headers, body: 'x'.repeat(200_000) })
    t.equal(none.status, 400)
    t.match(await none.json(), { code: 'malformed-request', detail: /does not begin with the boundary/ })
    t.match(line(), { status: 400, layer: 'client' })
    const empty = await fetch(`${url}studies`, { method: 'POST', headers, body: '--test-boundary--' })
    t.equal(empty.status, 400)
    t.match(await empty.json(), { error: { code: 400 } }, 'Google says what it thinks of a body without parts')
  })

  t.test('a client that leaves: what is on its way ends, the rest is not sent', async (t) => {
    const study = newStudy()
    const { headers, body } = stowOf(study)
    const sending = request(`${url}studies`, { method: 'POST', headers })
    sending.on('error', () => {})
    sending.write(body.subarray(0, -20_000))
    await eventually('a batch is stored', () => posts().some(({ status }) => status === 200))
    sending.destroy()
    await eventually('the line', () => line()?.abortedBy === 'client')
    t.match(line(), { abortedBy: 'client', attempts: 1 })
    t.ok(
      posts().every(({ complete, status }) => complete && status === 200),
      'no batch was cut',
    )
    t.ok((line()?.instancesStored as number) < 12)
  })
})

t.test('a batch that waits for its next attempt keeps nothing else waiting', async (t) => {
  const { addFault, url, newStudy, posts } = (await startParallel(t, ['lent'], 2))('lent')
  const restMs = 26_000
  const headers = { 'retry-after': String(restMs / 1000) }
  addFault({ times: 1, status: 429, headers })
  addFault({ times: 1, hang: true })
  const leaving = new AbortController()
  const sending = fetch(`${url}studies`, { ...stowOf(newStudy()), signal: leaving.signal }).catch(() => 'left')
  // The other connection hangs, so all that follows goes over the one that is lent.
  await eventually('the other batches are sent', () => posts().length >= 6, restMs / 2)
  leaving.abort()
  t.equal(await sending, 'left')
})
