/**
 * Seen on 2026-11-28 in the soak: an instance that passed without being held, because the memory of
 * the account was full when it had just begun, and that Google refused, was in the response without
 * its UID: neither stored nor failed for a client that looks for it. The test found another fault: an
 * upload that waited for memory, and held no more of it than the rest of what it writes to, waited for
 * ever.
 */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import type { Status } from '../../src/admin/status.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

test('an instance that fails on its way is named, also if it began with the memory full', async (t) => {
  const { emulator, url, proxy } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        ParallelStow: { Connections: 2, BatchBytes: 65536, MemoryBytes: 131072 },
      },
    }),
    proxy: { Retry: { TotalTimeout: 0 } },
  })
  const received = async () => {
    const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as Status
    const requests = status.accounts.find(({ name }) => name === 'google')?.inFlight.requests ?? []
    return requests[0]?.received
  }
  emulator.faults.add({ target: 'STOW-RS', times: 1, status: 500 })
  const study = [...syntheticStudy({ seed: 2, instances: 2, rows: 64, columns: 64 })]
  const upload = stowOf(study)
  const sending = request(`${url}studies`, { method: 'POST', headers: upload.headers })
  const responded = once(sending, 'response') as Promise<[IncomingMessage]>
  // A little of the first instance: the memory for it is more than there may be.
  sending.write(upload.body.subarray(0, 150))
  await eventually('its beginning', async () => (await received()) === 150)

  sending.end(upload.body.subarray(150))
  const [response] = await responded
  t.equal(response.statusCode, 409)
  const document = JSON.parse(await text(response)) as Record<string, { Value: Record<string, { Value: string[] }>[] }>
  const uidsIn = (sequence: string) => document[sequence]?.Value.map((item) => item['00081155']?.Value[0])
  t.same(uidsIn('00081198'), [study[0]?.sopInstanceUid])
  t.same(uidsIn('00081199'), [study[1]?.sopInstanceUid])
})
