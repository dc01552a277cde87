// Seen: Google had a large instance already, just as it was sent, and refused it before its end had
// come. With OnDuplicate "verify" it stayed a failure, because its digest was not known yet.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

test('an instance that is refused before its end is compared at its end', async (t) => {
  const [there, other] = [...syntheticStudy({ instances: 2, rows: 800, columns: 512 })]
  if (!there || !other) throw new Error('The study is empty.')
  const small = [...syntheticStudy({ seed: 2, instances: 1, rows: 8, columns: 8 })]
  let stored = there.bytes
  let onRefused = () => {}
  const google = createServer(async (incoming, outgoing) => {
    if (incoming.method === 'GET') return outgoing.writeHead(200, { 'content-length': stored.length }).end(stored)
    const [first] = (await once(incoming, 'data')) as [Buffer]
    const isLarge = first.includes(there.sopInstanceUid)
    const [instance] = isLarge ? [there] : small
    const sequence = isLarge ? '00081198' : '00081199'
    const items = [{ '00081155': { vr: 'UI', Value: [instance?.sopInstanceUid] } }]
    const body = JSON.stringify({ [sequence]: { vr: 'SQ', Value: items } })
    const headers = { 'content-type': 'application/dicom+json', 'content-length': body.length }
    outgoing.writeHead(isLarge ? 409 : 200, headers).end(body)
    if (isLarge) onRefused()
    incoming.on('error', () => {}).resume()
  })
  const parallel = { Connections: 1, BatchBytes: 65_536, MemoryBytes: 1_048_576 }
  const { url, log } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        ParallelStow: parallel,
        OnDuplicate: 'verify',
      },
    }),
  })
  const outcome = async () => {
    const refused = new Promise<void>((resolve) => {
      onRefused = resolve
    })
    const { headers, body } = stowOf([there, ...small])
    const sending = request(`${url}studies`, { method: 'POST', headers })
    const response = once(sending, 'response') as Promise<[IncomingMessage]>
    sending.write(body.subarray(0, 200_000))
    await refused
    sending.end(body.subarray(200_000))
    const [message] = await response
    const document = JSON.parse(Buffer.concat(await message.toArray()).toString())
    const count = (tag: string) => document[tag]?.Value.length ?? 0
    return { status: message.statusCode, stored: count('00081199'), failed: count('00081198') }
  }
  t.same(await outcome(), { status: 200, stored: 2, failed: 0 }, 'the same')
  t.match(log().at(-1), { instancesIdentical: 1 })
  stored = other.bytes
  t.same(await outcome(), { status: 409, stored: 1, failed: 1 }, 'another')
})
