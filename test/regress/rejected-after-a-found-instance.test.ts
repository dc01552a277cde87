// Seen: Google stored the first batch of an upload without a response, and rejected the next. The
// response named what the search had found, and what was rejected, but not the instances that were
// still to come. And the first batch counted as failed, though all of it was stored.
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { json } from 'node:stream/consumers'
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

interface Status {
  readonly accounts: readonly {
    inFlight: { requests: readonly { batches?: { sent: number; inFlight: number; failed: number } }[] }
  }[]
}

type Document = Record<string, { Value: Record<string, { Value: string[] }>[] }>

test('a rejected upload names all of its instances if a search has found one', async (t) => {
  const parallel = { Connections: 2, BatchBytes: 65536, MemoryBytes: 1048576 }
  const { url, proxy, emulator, log } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
  })
  emulator.faults.add({ target: 'STOW-RS', times: 1, lateReset: true })
  emulator.faults.add({ target: 'STOW-RS', status: 403 })
  const batches = async () => {
    const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as Status
    return status.accounts[0]?.inFlight.requests[0]?.batches
  }
  const study = [...syntheticStudy({ instances: 3, rows: 64, columns: 64 })]
  const { headers, body } = stowOf(study)
  const secondAt = body.indexOf('--test-boundary', 10)
  const thirdAt = body.indexOf('--test-boundary', secondAt + 10)
  const sending = request(`${url}studies`, { method: 'POST', headers })
  t.teardown(() => sending.destroy())
  const response = once(sending, 'response') as Promise<[IncomingMessage]>
  sending.write(body.subarray(0, secondAt + 20))
  await eventually('the first batch', async () => {
    const { sent = 0, inFlight = 0 } = (await batches()) ?? {}
    return sent === 1 && inFlight === 0
  })
  sending.write(body.subarray(secondAt + 20, thirdAt + 1000))
  const isRejected = async () => {
    const { sent = 0, inFlight = 0, failed = 0 } = (await batches()) ?? {}
    return sent === 2 && inFlight === 0 && failed > 0
  }
  await Promise.race([response, eventually('the second is rejected', isRejected)])
  sending.end(body.subarray(thirdAt + 1000))
  const [message] = await response
  t.equal(message.statusCode, 409)
  const document = (await json(message)) as Document
  const uidsIn = (sequence: string) => document[sequence]?.Value.map((item) => item['00081155']?.Value[0])
  const [first, ...others] = study.map(({ sopInstanceUid }) => sopInstanceUid)
  t.strictSame(uidsIn('00081199'), [first])
  t.strictSame(uidsIn('00081198'), others)
  await eventually('the log has it', () => log().some(({ msg }) => msg === 'request'))
  t.match(
    log().find(({ msg }) => msg === 'request'),
    { batchesFailed: 1 },
  )
})
