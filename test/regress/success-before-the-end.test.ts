// Seen: Google's response, or another's on the way, said that instances were stored of which a part
// had not been sent yet. The client was told the success, and the rest of them went nowhere.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

t.jobs = 2

const MiB = 1024 * 1024

/** Sends a body whose second half comes when Google has said the first time that all is stored. */
async function statusOf(t: Test, BatchBytes: number, instances: readonly SyntheticInstance[], isSlow: boolean) {
  const whole: Buffer[] = []
  let attempts = 0
  const { promise: responded, resolve } = Promise.withResolvers<void>()
  const google = createServer(async (incoming, outgoing) => {
    if (incoming.method === 'GET') return outgoing.writeHead(404).end()
    attempts += 1
    if (attempts === 1) await once(incoming, 'data')
    else whole.push(await buffer(incoming))
    const items = instances.map(({ sopInstanceUid }) => ({ '00081155': { vr: 'UI', Value: [sopInstanceUid] } }))
    const body = JSON.stringify({ '00081199': { vr: 'SQ', Value: items } })
    outgoing.writeHead(200, { 'content-type': 'application/dicom+json', 'content-length': body.length }).end(body)
    incoming.pause()
    // It reads no more, so it does not see the connection end.
    t.teardown(() => incoming.socket.destroy())
    resolve()
  })
  const { url } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: { Connections: 1, BatchBytes } },
    }),
    proxy: { Retry: { TotalTimeout: 60 } },
  })
  const { headers, body } = stowOf(instances)
  const sending = request(`${url}studies`, { method: 'POST', headers })
  const response = once(sending, 'response') as Promise<[IncomingMessage]>
  sending.write(body.subarray(0, body.length / 2))
  if (isSlow) await responded
  sending.end(body.subarray(body.length / 2))
  const [message] = await response
  message.resume()
  const isWhole = (instance: SyntheticInstance) => whole.some((body) => body.includes(instance.bytes))
  return { status: message.statusCode, isStored: instances.every(isWhole) }
}

t.test('an instance that passes is not stored before its end has come', async (t) => {
  const instances = [...syntheticStudy({ instances: 1, rows: 512, columns: 512 })]
  t.same(await statusOf(t, 65_536, instances, true), { status: 200, isStored: true })
})

t.test('a batch is not stored before its end has been sent', async (t) => {
  // One batch, of more than the sockets hold.
  const instances = [...syntheticStudy({ instances: 1, rows: 4096, columns: 2048 })]
  t.ok((instances[0]?.bytes.length ?? 0) > 15 * MiB)
  t.same(await statusOf(t, 32 * MiB, instances, false), { status: 200, isStored: true })
})
