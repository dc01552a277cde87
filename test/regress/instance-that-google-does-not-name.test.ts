/**
 * Seen: an instance of a batch that Google's response (200) did not name, neither as stored nor as
 * failed, was in no sequence of the client's response, which was a 200: whether it was stored, nobody
 * knew. Found by reading the code; such a response of Google's has not been seen.
 */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

const parallel = { Connections: 2, BatchBytes: 65536, MemoryBytes: 1048576 }
type Item = Record<string, { Value?: unknown[] }>
type Document = Record<string, { Value?: Item[] }>

const uidsOf = (study: readonly SyntheticInstance[]) => study.map(({ sopInstanceUid }) => sopInstanceUid)
const itemsIn = (document: Document, tag: string) => document[tag]?.Value ?? []
const uidsIn = (document: Document, tag: string) => itemsIn(document, tag).map((item) => item['00081155']?.Value?.[0])
const reasonsIn = (document: Document) => itemsIn(document, '00081198').map((item) => item['00091097']?.Value?.[0])

/** Whose bytes end otherwise. */
function changed({ bytes }: SyntheticInstance) {
  return { bytes: Buffer.concat([bytes.subarray(0, -1), Buffer.from([9])]) }
}

test("instances that Google's response does not name are looked up", async (t) => {
  const audit = join(t.testdir(), 'audit.jsonl')
  const { emulator, url, proxy, log } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
    proxy: { Audit: { File: audit } },
  })
  let seed = 0
  const newStudy = (instances = 4, rows = 8) => [...syntheticStudy({ seed: ++seed, instances, rows, columns: 128 })]
  const lines = () => log().filter(({ msg }) => msg === 'request')
  const send = async (study: readonly Pick<SyntheticInstance, 'bytes'>[]) => {
    const { length } = lines()
    const response = await fetch(`${url}studies`, stowOf(study))
    const document = (await response.json()) as Document
    await eventually('its line', () => lines().length > length)
    return { status: response.status, document, line: lines().at(-1) }
  }
  const lastRecord = async () => JSON.parse((await readFile(audit, 'utf8')).trim().split('\n').at(-1) ?? '')
  t.afterEach(() => emulator.faults.clear())

  await t.test('one that Google has counts as stored', async (t) => {
    const study = newStudy()
    emulator.faults.add({ target: 'STOW-RS', times: 1, unnamed: 1 })
    const { status, document, line } = await send(study)
    t.equal(status, 200)
    t.strictSame(uidsIn(document, '00081199'), uidsOf(study), 'all have a row, in their order')
    t.match(JSON.stringify(itemsIn(document, '00081199')[0]?.['00081190']), url, 'with a Retrieve URL')
    t.match(line, { level: 'info', instancesStored: 4, instancesFailed: 0, instancesNotNamed: 1 })
    t.strictSame((await lastRecord()).stored, uidsOf(study))
  })

  await t.test('all of them', async (t) => {
    const study = newStudy()
    emulator.faults.add({ target: 'STOW-RS', times: 1, unnamed: 4 })
    const { status, document } = await send(study)
    t.equal(status, 200)
    t.strictSame(uidsIn(document, '00081199'), uidsOf(study))
  })

  await t.test('one that Google does not have is a failure', async (t) => {
    const study = newStudy()
    emulator.faults.add({ target: 'STOW-RS', times: 1, dropped: 1 })
    const { status, document, line } = await send(study)
    t.equal(status, 409)
    t.strictSame(uidsIn(document, '00081198'), uidsOf(study.slice(0, 1)))
    t.strictSame(uidsIn(document, '00081199'), uidsOf(study.slice(1)))
    t.match(reasonsIn(document)[0], /^Google's response \(200\) does not name .* does not have it as it was sent\.$/)
    t.match(line, { level: 'warn', status: 409, instancesStored: 3, instancesFailed: 1, instancesNotNamed: 1 })
    const record = await lastRecord()
    t.match(record, { outcome: 'incomplete', instancesStored: 3, instancesFailed: 1 })
    t.strictSame(record.failed, uidsOf(study.slice(0, 1)))
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    t.match(metrics, /instances_failed_total\{account="google"[^}]*\} 1\n/)
    t.match(metrics, /upload_batches_failed_total\{account="google"[^}]*\} 0\n/)
  })

  await t.test('so is one of which Google has another version', async (t) => {
    const study = newStudy(2)
    await send(study.slice(0, 1))
    emulator.faults.add({ target: 'STOW-RS', times: 1, dropped: 1 })
    const [older, other] = study as [SyntheticInstance, SyntheticInstance]
    const { status, document } = await send([changed(older), other])
    t.equal(status, 409)
    t.strictSame(uidsIn(document, '00081198'), [older.sopInstanceUid])
  })

  await t.test('while it cannot be looked up, its failure says that it may be stored', async (t) => {
    const study = newStudy(2)
    emulator.faults.add({ target: 'STOW-RS', times: 1, unnamed: 1 })
    emulator.faults.add({ target: 'QIDO-RS', status: 403 })
    const { status, document } = await send(study)
    t.equal(status, 409)
    t.strictSame(uidsIn(document, '00081198'), uidsOf(study.slice(0, 1)))
    t.match(reasonsIn(document)[0], /may be stored all the same: search before you send it again/)
  })

  await t.test('one of two with the same UID', async (t) => {
    const [instance] = newStudy(1) as [SyntheticInstance]
    emulator.faults.add({ target: 'STOW-RS', times: 1, unnamed: 1 })
    const twice = await send([instance, instance])
    t.equal(twice.status, 200)
    t.strictSame(uidsIn(twice.document, '00081199'), uidsOf([instance, instance]))
    const [other] = newStudy(1) as [SyntheticInstance]
    emulator.faults.add({ target: 'STOW-RS', times: 1, dropped: 1 })
    const differing = await send([changed(other), other])
    t.equal(differing.status, 409)
    t.strictSame(uidsIn(differing.document, '00081199'), uidsOf([other]))
    t.strictSame(uidsIn(differing.document, '00081198'), uidsOf([other]))
  })

  await t.test('one that passes without being held', async (t) => {
    const large = newStudy(1, 1024)
    t.ok((large[0]?.bytes.length ?? 0) > 2 * parallel.BatchBytes)
    emulator.faults.add({ target: 'STOW-RS', times: 1, unnamed: 1 })
    const found = await send(large)
    t.equal(found.status, 200)
    t.strictSame(uidsIn(found.document, '00081199'), uidsOf(large))
    const lost = newStudy(1, 1024)
    emulator.faults.add({ target: 'STOW-RS', times: 1, dropped: 1 })
    const { status, document } = await send(lost)
    t.equal(status, 409)
    t.strictSame(uidsIn(document, '00081198'), uidsOf(lost))
  })

  await t.test('what is no instance has its row, and is looked for nowhere', async (t) => {
    const study = newStudy(2)
    const before = emulator.log.length
    const { status, document, line } = await send([{ bytes: Buffer.from('no instance') }, ...study])
    t.equal(status, 409)
    t.strictSame(uidsIn(document, '00081199'), uidsOf(study))
    t.equal(itemsIn(document, '00081198').length, 1)
    t.match(line, { instancesStored: 2, instancesFailed: 1, instancesNotNamed: undefined })
    t.notOk(emulator.log.slice(before).some(({ method }) => method === 'GET'))
  })

  await t.test('two parts that a wrong length makes one have a row each', async (t) => {
    const [one, two] = newStudy(2) as [SyntheticInstance, SyntheticInstance]
    const first = newStudy(1, 250)
    const part = 'Content-Type: application/dicom\r\n'
    const inner = Buffer.concat([one.bytes, Buffer.from(`\r\n--test-boundary\r\n${part}\r\n`), two.bytes])
    const before = Buffer.from(`--test-boundary\r\n${part}Content-Length: ${inner.length}\r\n\r\n`)
    const body = Buffer.concat([before, inner, Buffer.from('\r\n--test-boundary--')])
    const response = await fetch(`${url}studies`, { ...stowOf([]), body })
    t.equal(response.status, 200)
    t.strictSame(uidsIn((await response.json()) as Document, '00081199'), uidsOf([one, two]))

    // Also if their batch fails, for good, after another one was stored.
    const others = stowOf(first).body
    const whole = Buffer.concat([others.subarray(0, others.lastIndexOf('--test-boundary')), body])
    emulator.faults.add({ target: 'STOW-RS', skip: 1, times: 1, status: 400 })
    const failing = await fetch(`${url}studies`, { ...stowOf([]), body: whole })
    t.equal(failing.status, 409)
    const document = (await failing.json()) as Document
    t.strictSame(uidsIn(document, '00081199'), uidsOf(first))
    t.strictSame(uidsIn(document, '00081198'), uidsOf([one, two]))
  })
})

test('a failure without a name may be that of an instance that has none in the response', async (t) => {
  const study = [...syntheticStudy({ seed: 1, instances: 3 })]
  const failures = (count: number) => ({
    '00081199': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: [study[0]?.sopInstanceUid] } }] },
    '00081198': { vr: 'SQ', Value: Array(count).fill({ '00081197': { vr: 'US', Value: [272] } }) },
  })
  let nameless = 2
  const google = createServer(async (request, response) => {
    await buffer(request)
    if (request.method === 'GET') response.writeHead(204).end()
    else response.writeHead(409, { 'content-type': 'application/dicom+json' }).end(JSON.stringify(failures(nameless)))
  })
  const { url } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
  })
  const send = async () => (await (await fetch(`${url}studies`, stowOf(study))).json()) as Document
  t.strictSame(uidsIn(await send(), '00081198'), [undefined, undefined], "Google's own rows, for as many")
  nameless = 1
  t.strictSame(uidsIn(await send(), '00081198'), uidsOf(study.slice(1)), 'too few: each by its name')
})
