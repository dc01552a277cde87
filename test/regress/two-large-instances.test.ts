// Seen: an instance larger than a batch that waited for its connection was forgotten when the next
// one arrived, if both were hardly larger than a batch: the response did not name it. Smaller ones
// behind it went first.
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

test('large instances wait in their order for the only connection', async (t) => {
  const parallel = { Connections: 1, BatchBytes: 65536, MemoryBytes: 1048576 }
  const { emulator, url } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
  })
  emulator.faults.add({ target: 'STOW-RS', times: 1, delay: 300 })
  const of = (seed: number, instances: number, rows: number) => [
    ...syntheticStudy({ seed, instances, rows, columns: 128 }),
  ]
  const all = [...of(1, 3, 128), ...of(2, 3, 290), ...of(3, 2, 8), ...of(4, 2, 290), ...of(5, 1, 8)]
  const request = stowOf(all)
  const headers = { ...request.headers, accept: 'application/dicom+json' }
  const response = await fetch(`${url}studies`, { ...request, headers })
  t.equal(response.status, 200)
  const body = (await response.json()) as Record<string, { Value: Record<string, { Value: string[] }>[] }>
  t.strictSame(
    body['00081199']?.Value.map((item) => item['00081155']?.Value[0]),
    all.map(({ sopInstanceUid }) => sopInstanceUid),
  )
})
