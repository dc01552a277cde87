import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { type SyntheticInstance, syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { eventually } from '../../helpers/eventually.ts'
import { demoAccount, startServed, stowOf } from '../../helpers/served.ts'

type Item = Record<string, { Value?: unknown[] }>

const parallel = { Connections: 2, BatchBytes: 65536, MemoryBytes: 1048576 }

test('instances that Google has already', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'duplicates-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'audit.jsonl')
  const options = (OnDuplicate: string) => ({
    accounts: ({ serviceAccountFile }: { serviceAccountFile: string }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel, OnDuplicate },
    }),
    proxy: { Retry: { TotalTimeout: 30 }, Audit: { File: file }, AllowAnonymous: true },
  })
  const { emulator, url, log, reload } = await startServed(t, options('verify'))
  emulator.behave({ duplicates: 'refused' })
  let seed = 100
  const newStudy = () => [...syntheticStudy({ seed: ++seed, instances: 6, rows: 128, columns: 128 })]
  const uidsOf = (study: readonly SyntheticInstance[]) => study.map(({ sopInstanceUid }) => sopInstanceUid)
  const changed = (instance: SyntheticInstance) => ({
    ...instance,
    bytes: Buffer.concat([instance.bytes.subarray(0, -1), Buffer.from([9])]),
  })
  const send = async (study: readonly SyntheticInstance[], accept = 'application/dicom+json') => {
    const request = stowOf(study)
    const lines = log().filter(({ msg }) => msg === 'request').length
    const response = await fetch(`${url}studies`, { ...request, headers: { ...request.headers, accept } })
    const text = await response.text()
    await eventually('its line', () => log().filter(({ msg }) => msg === 'request').length > lines)
    return { status: response.status, text, line: log().findLast(({ msg }) => msg === 'request') }
  }
  const items = (text: string, sequence: string): Item[] => JSON.parse(text)[sequence]?.Value ?? []
  const uidsIn = (text: string, sequence: string) => items(text, sequence).map((item) => item['00081155']?.Value?.[0])
  const gets = () => emulator.log.filter(({ method }) => method === 'GET').length

  await t.test('the same succeeds with a warning, another stays a failure', async (t) => {
    const study = newStudy()
    t.equal((await send(study.slice(0, 3))).status, 200)
    const again = await send(study)
    t.equal(again.status, 200)
    t.strictSame(uidsIn(again.text, '00081199'), uidsOf(study), 'in their order')
    t.same(
      items(again.text, '00081199').map((item) => item['00081196']?.Value?.[0]),
      [0xb111, 0xb111, 0xb111, undefined, undefined, undefined],
    )
    t.match(items(again.text, '00081199')[0]?.['00091097']?.Value?.[0], /has it already/)
    t.match(JSON.stringify(items(again.text, '00081199')[0]?.['00081190']), url)
    t.match(again.line, {
      status: 200,
      instancesStored: 6,
      instancesFailed: 0,
      instancesWarned: 3,
      instancesIdentical: 3,
    })
    const records = async () =>
      (await readFile(file, 'utf8')).split('\n').filter((line) => line.includes('"instancesIdentical":3'))
    await eventually('its record', async () => (await records()).length > 0)
    const record = JSON.parse((await records())[0] ?? '')
    t.match(record, { outcome: 'succeeded', instancesStored: 6, identical: uidsOf(study.slice(0, 3)) })

    const other = changed(study[1] as SyntheticInstance)
    const third = await send(study.with(1, other))
    t.equal(third.status, 409)
    t.strictSame(uidsIn(third.text, '00081198'), uidsOf([other]))
    t.equal(uidsIn(third.text, '00081199').length, 5)
    t.match(third.line, { instancesStored: 5, instancesFailed: 1, instancesIdentical: 5 })
  })

  await t.test('one instance, and XML', async (t) => {
    const study = newStudy().slice(0, 1)
    await send(study)
    const { status, text, line } = await send(study, 'application/dicom+xml')
    t.equal(status, 200)
    t.match(text, /tag="00081196" vr="US" keyword="WarningReason"><Value number="1">45329</)
    t.notMatch(text, 'tag="00081198"')
    t.match(line, { instancesStored: 1, instancesFailed: 0, instancesIdentical: 1 })
  })

  await t.test('larger than a batch', async (t) => {
    const large = [...syntheticStudy({ seed: ++seed, instances: 1, frames: 4, rows: 256, columns: 256 })]
    const [only] = large as [SyntheticInstance]
    t.ok(only.bytes.length > 2 * parallel.BatchBytes)
    const small = newStudy().slice(0, 1)
    t.equal((await send([...large, ...small])).status, 200)
    const again = await send([...large, ...small])
    t.equal(again.status, 200)
    t.strictSame(uidsIn(again.text, '00081199'), uidsOf([...large, ...small]))
    t.match(again.line, { instancesStored: 2, instancesIdentical: 2 })
    const other = await send([changed(only)])
    t.equal(other.status, 409)
    t.strictSame(uidsIn(other.text, '00081198'), uidsOf(large))
    // Google has it, but says nothing.
    const unheard = [...syntheticStudy({ seed: ++seed, instances: 1, frames: 4, rows: 256, columns: 256 })]
    emulator.faults.add({ target: 'STOW-RS', times: 1, lateReset: true })
    const found = await send(unheard)
    t.equal(found.status, 200)
    t.strictSame(uidsIn(found.text, '00081199'), uidsOf(unheard))
  })

  await t.test('twice in one request: a success each, or a failure for the one that differs', async (t) => {
    const [instance] = newStudy() as [SyntheticInstance]
    const twice = await send([instance, instance])
    t.equal(twice.status, 200)
    t.strictSame(uidsIn(twice.text, '00081199'), uidsOf([instance, instance]))
    const [other] = newStudy() as [SyntheticInstance]
    const differing = await send([other, changed(other)])
    t.equal(differing.status, 409)
    t.strictSame(uidsIn(differing.text, '00081199'), uidsOf([other]))
    t.strictSame(uidsIn(differing.text, '00081198'), uidsOf([other]))
  })

  await t.test('what a file says for a UID is asked for only if it is one', async (t) => {
    const [instance] = newStudy() as [SyntheticInstance]
    const { studyInstanceUid: uid } = instance
    const text = instance.bytes.toString('latin1').replaceAll(uid, '../../'.repeat(uid.length).slice(0, uid.length))
    const before = gets()
    const { status } = await send([{ ...instance, bytes: Buffer.from(text, 'latin1') }])
    t.equal(status, 409)
    t.equal(gets(), before)
  })

  await t.test('a retrieval that fails is repeated; one that is not allowed leaves a failure', async (t) => {
    const study = newStudy().slice(0, 2)
    await send(study)
    emulator.faults.add({ target: 'WADO-RS', times: 1, status: 503 })
    t.equal((await send(study)).status, 200)
    emulator.faults.add({ target: 'WADO-RS', status: 403 })
    const before = gets()
    const refused = await send(study)
    emulator.faults.clear()
    t.equal(refused.status, 409)
    t.strictSame(uidsIn(refused.text, '00081198'), uidsOf(study))
    t.equal(gets() - before, 2, 'no use asking again')
  })

  await t.test('"fail" leaves it to Google, from the next upload on', async (t) => {
    const study = newStudy().slice(0, 2)
    await send(study)
    await reload(options('fail'))
    const before = gets()
    const { status, text, line } = await send(study)
    t.equal(status, 409)
    t.strictSame(uidsIn(text, '00081198'), uidsOf(study))
    t.equal(gets(), before)
    t.match(line, { instancesFailed: 2, instancesIdentical: undefined })
  })
})
