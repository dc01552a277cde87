// Seen: a client that stopped in the middle of a large instance kept its slot for Timeouts.Idle while
// others waited for one, where the upload was sent in batches. Ten seconds are what the others get.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { mock } from 'node:test'
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'
import { respondStored } from '../helpers/stored-response.ts'

interface Status {
  readonly accounts: readonly { inFlight: { requests: readonly { received: number }[] } }[]
}

test('a client that stops in the middle of an instance makes way for one that waits', async (t) => {
  let begun = 0
  const google = createServer((incoming, outgoing) => {
    begun += 1
    void buffer(incoming).then(
      (body) => respondStored(outgoing, body),
      () => {},
    )
  })
  const { url, proxy } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: { BatchBytes: 65_536 } },
    }),
    proxy: { Concurrency: { MaxInFlight: 1 } },
  })
  const inFlight = async () => {
    const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as Status
    return status.accounts[0]?.inFlight.requests ?? []
  }
  const small = stowOf([...syntheticStudy({ instances: 1, rows: 8, columns: 8 })])
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const slow = request(`${url}studies`, { method: 'POST', headers: small.headers })
  t.teardown(() => slow.destroy())
  const response = once(slow, 'response') as Promise<[IncomingMessage]>
  slow.write('--test-boundary\r\nContent-Type: application/dicom\r\n\r\n')
  slow.write(Buffer.alloc(100_000))
  await eventually('it has the slot', () => begun === 1)
  const periodMs = 10_000
  // The first period has its beginning, and the time that it may have waited for the slot.
  mock.timers.tick(periodMs)
  mock.timers.tick(periodMs)
  t.equal((await inFlight()).length, 1, 'nobody waits for it')

  const waiting = fetch(`${url}studies`, small)
  await eventually('another one has come', async () => (await inFlight())[1]?.received === small.body.length)
  mock.timers.tick(periodMs)
  const [message] = await response
  t.equal(message.statusCode, 408)
  message.resume()
  t.equal((await waiting).status, 200)
})
