// Seen: a client left while an instance a little larger than a batch, of which all had come, waited
// for its slot. Its memory was never given back: after a few of them, no upload of the account was
// read any more.
import { createServer, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'
import { respondStored } from '../helpers/stored-response.ts'

interface Status {
  readonly accounts: readonly { inFlight: { requests: readonly { received: number }[] } }[]
}

const kiB = 1024

test('an instance whose client leaves before it has a slot gives its memory back', async (t) => {
  const waiting: (() => void)[] = []
  let holdsResponses = true
  const google = createServer(async (incoming, outgoing) => {
    const body = await buffer(incoming)
    const respond = () => respondStored(outgoing, body)
    if (holdsResponses) waiting.push(respond)
    else respond()
  })
  const { url, proxy } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        // What is left of two uploads fills it.
        ParallelStow: { Connections: 1, BatchBytes: 256 * kiB, MemoryBytes: 896 * kiB },
      },
    }),
    proxy: { Concurrency: { MaxInFlight: 1 } },
  })
  const received = async () => {
    const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as Status
    return status.accounts[0]?.inFlight.requests.map(({ received }) => received) ?? []
  }
  const instances = [...syntheticStudy({ instances: 1, rows: 8, columns: 8 })]
  const small = stowOf(instances)
  // Not in batches: it needs none of their memory.
  const single = { ...small.headers, 'content-type': 'application/dicom' }
  const first = fetch(`${url}studies`, { method: 'POST', headers: single, body: instances[0]?.bytes ?? '' })
  await eventually('the only slot is in use', () => waiting.length === 1)
  for (let client = 0; client < 2; client += 1) {
    const leaving = request(`${url}studies`, { method: 'POST', headers: small.headers })
    leaving.on('error', () => {})
    leaving.write('--test-boundary\r\nContent-Type: application/dicom\r\n\r\n')
    leaving.write(Buffer.alloc(256 * kiB - 100))
    await eventually('its beginning has come', async () => (await received()).some((bytes) => bytes > 262_000))
    leaving.write(`${'x'.repeat(200)}\r\n--test-boundary--\r\n`)
    await eventually('all of it has come', async () => (await received()).some((bytes) => bytes > 262_300))
    leaving.destroy()
    await eventually('the proxy knows', async () => (await received()).length === 1)
  }
  holdsResponses = false
  for (const respond of waiting) respond()
  t.equal((await first).status, 200)
  const next = await fetch(`${url}studies`, { ...small, signal: AbortSignal.timeout(20_000) })
  t.equal(next.status, 200, 'the next upload is read')
})
