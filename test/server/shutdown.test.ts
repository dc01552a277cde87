import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'
import { startHeldGoogle } from './google.ts'

t.test('requests in flight finish, nothing new begins, idle connections end', async (t) => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const google = createServer((_request, response) => arrived.resolve(response))
  const { proxy, url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const asking = request(`${url}studies`).end()
  const response = await arrived.promise
  const closing = proxy.close()
  await t.rejects(fetch(`${url}studies`), { cause: { code: 'ECONNREFUSED' } })
  response.end('whole')
  const [received] = (await once(asking, 'response')) as [IncomingMessage]
  t.equal(String(Buffer.concat(await received.toArray())), 'whole')
  await closing
})

t.test('a response that a slow client still reads is not cut', async (t) => {
  const length = 32 * 1024 * 1024
  const google = createServer((_request, response) => response.end(Buffer.alloc(length)))
  const { proxy, url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (const method of ['GET', 'POST']) {
    const [response] = (await once(request(`${url}studies`, { method }).end(), 'response')) as [IncomingMessage]
    let read = 0
    const closing = method === 'POST' ? proxy.close() : Promise.resolve()
    for await (const { length: bytes } of response) {
      read += bytes
      if (read > length - 2 * 1024 * 1024) await delay(20)
    }
    t.equal(read, length)
    await closing
  }
})

t.test(
  'responses during shutdown close their connections: no request is lost on one that closes just then',
  async (t) => {
    const google = await startHeldGoogle(t)
    const proxy = { Concurrency: { MaxInFlight: 1 } }
    const served = await startServed(t, { baseUrl: google.baseUrl, proxy })
    const socket = connect(Number(new URL(served.proxy.url).port), '127.0.0.1')
    const receiving = text(socket)
    socket.write('GET /google/studies HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await google.reached(1)
    const waiting = fetch(`${served.url}studies`)
    await eventually('it waits for its turn', async () => {
      const status = await (await fetch(`${served.proxy.adminUrl}/api/status`)).text()
      return status.includes('"queued":1')
    })
    const closing = served.proxy.close()
    socket.write('GET /google/series HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const refused = await waiting
    t.match(await refused.json(), { status: 503, code: 'shutting-down' })
    t.equal(refused.headers.get('connection'), 'close')
    t.equal(refused.headers.get('retry-after'), '5')
    google.respond()
    const received = await receiving
    t.match(received, /^HTTP\/1\.1 200 OK.*Connection: close.*\[\]$/s)
    await closing
    const statuses = served
      .log()
      .filter(({ msg }) => msg === 'request')
      .map(({ status }) => status)
    t.same(statuses, [503, 200], 'the one behind it was not carried out')
  },
)

t.test('requests still in flight after the grace period are aborted, counted and logged', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, url, log } = await startServed(t, { baseUrl: google.baseUrl, proxy: { ShutdownGrace: 1 } })
  const asking = request(`${url}studies`).end()
  const failed = once(asking, 'error')
  await google.reached(1)
  t.equal(await proxy.close(), 1)
  await failed
  await eventually('the log says who cut it', () =>
    log().some(({ status, abortedBy }) => status === null && abortedBy === 'proxy'),
  )
})

t.test(
  'a request that waits for its retry is not retried: the client gets the last response from Google',
  async (t) => {
    const google = await startHeldGoogle(t)
    const { proxy, url } = await startServed(t, { baseUrl: google.baseUrl, proxy: { Retry: { TotalTimeout: 45 } } })
    const asking = fetch(`${url}studies`)
    await google.reached(1)
    google.respond(503, { 'retry-after': '30' })
    await google.reached(0)
    t.equal(await proxy.close(), 0)
    const response = await asking
    t.equal(response.status, 503)
    t.equal(response.headers.get('retry-after'), '30')
  },
)

t.test('what waits for its turn is refused in words, what has it goes on', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, url } = await startServed(t, { baseUrl: google.baseUrl, proxy: { Concurrency: { MaxInFlight: 1 } } })
  const first = fetch(`${url}studies`)
  await google.reached(1)
  const waiting = request(`${url}series`).end()
  await once(waiting, 'socket')
  await once(waiting, 'finish')
  // On the same connections as before: so it has arrived by then.
  t.equal((await fetch(`${url}nothing`)).status, 404)
  const closing = proxy.close()
  const [response] = (await once(waiting, 'response')) as [IncomingMessage]
  t.equal(response.statusCode, 503)
  t.match(await text(response), /"shutting-down"/)
  google.respond()
  t.equal((await first).status, 200)
  t.equal(await closing, 0)
})
