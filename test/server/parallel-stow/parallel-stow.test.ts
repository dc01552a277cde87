import { test } from 'tap'
import type { Fault } from '../../../src/emulator/faults.ts'
import { type SyntheticInstance, syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { demoAccount, startServed, stowOf } from '../../helpers/served.ts'

type Item = Record<string, { Value?: unknown[] }>
type StoreResponse = Record<string, { Value?: Item[] }>

const stored = '00081199'
const failed = '00081198'

/** SOP Instance UIDs of a sequence, in its order. */
function uidsIn(response: StoreResponse, sequence: string): unknown[] {
  return (response[sequence]?.Value ?? []).map((item) => item['00081155']?.Value?.[0])
}

test('uploads in batches', async (t) => {
  const parallel = { Connections: 4, BatchBytes: 65536, MemoryBytes: 1048576 }
  const served = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
    proxy: { Retry: { TotalTimeout: 30 } },
  })
  const { emulator, url } = served
  let seed = 0
  const newStudy = () => [...syntheticStudy({ seed: ++seed, series: 2, instances: 6, rows: 128, columns: 128 })]
  const uidsOf = (study: readonly SyntheticInstance[]) => study.map(({ sopInstanceUid }) => sopInstanceUid)
  const send = async (study: readonly SyntheticInstance[], accept = 'application/dicom+json') => {
    const request = stowOf(study)
    const response = await fetch(`${url}studies`, { ...request, headers: { ...request.headers, accept } })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  const posts = () => emulator.log.filter(({ method, target }) => method === 'POST' && target.endsWith('/studies'))
  const line = () => served.log().findLast(({ msg }) => msg === 'request')
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

  const faults: Record<string, Omit<Fault, 'target'>> = {
    'a quota that is used up': { status: 429 },
    'Google is overloaded': { status: 503 },
    'a failure of Google’s': { status: 500 },
    'a rejected token': { status: 401 },
    'a connection that breaks in the body': { resetDuring: 30_000 },
    'a response that is lost': { lateReset: true },
    'a response that breaks': { resetAfterHeaders: true },
  }
  for (const [name, fault] of Object.entries(faults)) {
    t.test(`${name} costs a batch, not the job`, async (t) => {
      emulator.faults.add({ target: 'STOW-RS', times: 1, skip: 1, ...fault })
      const study = newStudy()
      const { status, text } = await send(study)
      const body = JSON.parse(text) as StoreResponse
      t.equal(status, 200, text)
      t.same(new Set(uidsIn(body, stored)), new Set(uidsOf(study)))
      t.equal(uidsIn(body, stored).length, study.length, 'none twice')
      t.match(line(), { status: 200, instancesStored: 12, instancesFailed: 0 })
    })
  }
})
