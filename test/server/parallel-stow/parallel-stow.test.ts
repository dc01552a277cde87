import { test } from 'tap'
import { syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { demoAccount, startServed, stowOf } from '../../helpers/served.ts'

type Item = Record<string, { Value?: unknown[] }>
type StoreResponse = Record<string, { Value?: Item[] }>

/** SOP Instance UIDs of a sequence, in its order. */
function uidsIn(response: StoreResponse, sequence: string): unknown[] {
  return (response[sequence]?.Value ?? []).map((item) => item['00081155']?.Value?.[0])
}

test('uploads in batches', async (t) => {
  const served = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: { Connections: 4, BatchBytes: 65536, MemoryBytes: 1048576 } },
    }),
    proxy: { Retry: { TotalTimeout: 30 } },
  })
  const { emulator, url } = served
  const study = [...syntheticStudy({ series: 4, instances: 10, rows: 128, columns: 128 })]
  const uids = study.map(({ sopInstanceUid }) => sopInstanceUid)

  t.test('the response is that of one request', async (t) => {
    const response = await fetch(`${url}studies`, stowOf(study))
    const body = (await response.json()) as StoreResponse
    t.equal(response.status, 200)
    t.same(uidsIn(body, '00081199'), uids)
    t.notOk(body['00081198'])
    t.match(JSON.stringify(body['00081190']), url)
    const sent = emulator.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/studies'))
    t.ok(sent.length > 2, `${sent.length} batches`)
    t.match(served.log().at(-1), { msg: 'request', status: 200, instancesStored: 40, instancesFailed: 0 })
  })
})
