// Seen: Google rejected an upload of which it had stored something, while a large instance had begun
// to arrive. That was held whole, beyond any bound; where it was larger than MemoryBytes, the upload
// stood still, and all others of the account with it.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

interface Status {
  readonly accounts: readonly {
    inFlight: { requests: readonly { received: number; batches?: { failed: number } }[] }
  }[]
}

const kiB = 1024

test('the large instance during which an upload is rejected is read for its name only', async (t) => {
  const batches: ServerResponse[] = []
  const google = createServer(async (incoming, outgoing) => {
    await buffer(incoming)
    batches.push(outgoing)
  })
  const parallel = { Connections: 2, BatchBytes: 64 * kiB, MemoryBytes: 1024 * kiB }
  const { url, proxy } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
  })
  const transfer = async () => {
    const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as Status
    return status.accounts[0]?.inFlight.requests[0]
  }
  const [one, other] = syntheticStudy({ instances: 2, rows: 64, columns: 64 })
  const [large] = syntheticStudy({ seed: 2, instances: 1, frames: 50, rows: 256, columns: 256 })
  if (!one || !other || !large) throw new Error('No instances')
  const { headers, body } = stowOf([one, other, large])
  const secondAt = body.indexOf('--test-boundary', 10)
  const largeAt = body.indexOf('--test-boundary', secondAt + 10)

  const sending = request(`${url}studies`, { method: 'POST', headers })
  t.teardown(() => sending.destroy())
  const response = once(sending, 'response') as Promise<[IncomingMessage]>
  sending.write(body.subarray(0, secondAt + 20))
  await eventually('the first batch', () => batches.length === 1)
  const stored = { '00081199': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: [one.sopInstanceUid] } }] } }
  batches[0]?.writeHead(200, { 'content-type': 'application/dicom+json' }).end(JSON.stringify(stored))
  const begun = largeAt + 10 * kiB
  sending.write(body.subarray(secondAt + 20, begun))
  await eventually('the second batch', () => batches.length === 2)
  await eventually('the large one has begun', async () => (await transfer())?.received === begun)
  batches[1]?.writeHead(403, { 'content-length': 0 }).end()
  await eventually('the upload is rejected', async () => (await transfer())?.batches?.failed === 1)
  sending.end(body.subarray(begun))
  const [message] = await Promise.race([
    response,
    once(AbortSignal.timeout(20_000), 'abort').then(() => {
      throw new Error('The upload stands still')
    }),
  ])
  t.equal(message.statusCode, 409)
  const text = (await buffer(message)).toString()
  const failed = JSON.parse(text)['00081198'].Value.map(
    (item: Record<string, { Value: unknown[] }>) => item['00081155']?.Value[0],
  )
  t.strictSame(failed, [other.sopInstanceUid, large.sopInstanceUid])
})
