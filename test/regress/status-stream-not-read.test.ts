import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type Test, test } from 'tap'
import type { ProxyStatus } from '../../src/admin/proxy-status.ts'
import { StatusStream } from '../../src/admin/status-stream.ts'
import { eventually } from '../helpers/eventually.ts'

// A browser that had stopped reading (a laptop asleep) ended the whole proxy ten minutes later: the
// stream was written to behind its end. Until then up to 4 MiB waited for it. One that left while
// its password was checked got messages for ever.

const bytes = 200_000

/** The status of a proxy with one account of a very long description; counts the messages. */
function operationOf(counts: { sent: number; samples: number }): ProxyStatus {
  const token = { usable: true, expiresAt: null, fetchedAt: null, failure: null, nextAttemptAt: null }
  const account = {
    name: 'google',
    store: 'x'.repeat(bytes),
    access: [],
    credential: { description: { kind: '', identity: null, file: null } },
    limiters: {},
    tokenState: () => ({ ...token, refreshes: 0, failures: 0 }),
  }
  const nothing = { requests: 0, failed: 0, incomplete: 0, doubtful: 0, rejected: 0, received: 0, sent: 0 }
  return {
    version: '0',
    accepting: () => true,
    readiness: () => 'all',
    accounts: () => [account],
    metrics: { contentType: '', text: async () => '' },
    history: {
      of: () => ({ requests: {}, failures: [] }),
      totals: () => {
        counts.samples += 1
        return nothing
      },
      inFlight: [],
    },
    rejected: { counts: {} },
    reloads: { succeededAt: 0, rejected: [] },
    clientOf: () => Promise.reject(new Error('not asked')),
    failedJobs: null,
    certificates: () => null,
    audit: () => {
      counts.sent += 1
      return null
    },
  }
}

async function ask(t: Test, onRequest: (response: ServerResponse) => void) {
  const server = createServer((_request, response) => onRequest(response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => client.destroy())
  client.pause()
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  return client
}

test('who stops reading is let go at the end of the stream, and never has more than one message waiting', async (t) => {
  const stream = new StatusStream(operationOf({ sent: 0, samples: 0 }), { intervalMs: 5, maxDurationMs: 1_000 })
  t.teardown(() => stream.close())
  const { promise, resolve } = Promise.withResolvers<ServerResponse>()
  await ask(t, (response) => {
    stream.begin(response)
    resolve(response)
  })
  const response = await promise
  let most = 0
  const look = setInterval(() => {
    most = Math.max(most, response.writableLength)
  }, 1)
  await once(response, 'close')
  clearInterval(look)
  t.ok(most > 0, 'it did stop reading')
  t.ok(most < 2 * bytes, `${most} bytes waited`)
})

test('a client that has already left gets nothing', async (t) => {
  const counts = { sent: 0, samples: 0 }
  const stream = new StatusStream(operationOf(counts), { intervalMs: 5, maxDurationMs: 60_000 })
  t.teardown(() => stream.close())
  const { promise, resolve } = Promise.withResolvers<void>()
  const client = await ask(t, (response) => {
    response.once('close', () => {
      stream.begin(response)
      resolve()
    })
    client.destroy()
  })
  await promise
  const { samples } = counts
  await eventually('time has passed', () => counts.samples > samples + 3)
  t.equal(counts.sent, 0)
})
