import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { dicomWebServices } from '../../src/config/settings.ts'
import type { RunningProxy } from '../../src/proxy/proxy.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed } from '../helpers/served.ts'
import { startHeldGoogle } from './google.ts'

/** A search by a client at this address of the loopback network. */
async function search(url: string, localAddress = '127.0.0.1', path = 'studies'): Promise<IncomingMessage> {
  const [response] = (await once(request(url + path, { localAddress, agent: false }).end(), 'response')) as [
    IncomingMessage,
  ]
  return response.resume()
}

t.test('a request without a slot is queued; one that finds the queue full gets a 503', async (t) => {
  const google = await startHeldGoogle(t)
  const proxy = { Concurrency: { MaxInFlight: 2, MaxPending: 1 } }
  const { url } = await startServed(t, { baseUrl: google.baseUrl, proxy })
  const first = [search(url), search(url)]
  await google.reached(2)
  const waiting = search(url)
  // Which of the two comes first is not said: one waits, the other finds no room.
  const another = search(url)
  const refused = await Promise.race([waiting, another])
  t.equal(refused.statusCode, 503)
  t.equal(refused.headers['retry-after'], '5')
  t.match(refused.headers['proxy-status'], /connection_limit_reached; details="too-busy"/)
  t.equal(google.open.length, 2)
  google.respond()
  await google.reached(2)
  google.respond()
  google.respond()
  for (const { statusCode } of await Promise.all(first)) t.equal(statusCode, 200)
  t.same((await Promise.all([waiting, another])).map(({ statusCode }) => statusCode).sort(), [200, 503])
})

t.test('nobody waits longer than is allowed', async (t) => {
  const google = await startHeldGoogle(t)
  const { url } = await startServed(t, {
    baseUrl: google.baseUrl,
    proxy: { Concurrency: { MaxInFlight: 1, QueueTimeout: 1 } },
  })
  const first = search(url)
  await google.reached(1)
  t.equal((await search(url)).statusCode, 503)
  google.respond()
  t.equal((await first).statusCode, 200)
})

t.test('clients wait in turn: one with many requests does not hold up one with a single one', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, url } = await startServed(t, { baseUrl: google.baseUrl, proxy: { Concurrency: { MaxInFlight: 1 } } })
  const order: string[] = []
  const send = (who: string) =>
    search(url, who, `studies?PatientID=${who}`).then(({ statusCode }) => t.equal(statusCode, 200))
  const busy = [send('127.0.0.2')]
  await google.reached(1)
  for (let more = 0; more < 4; more++) busy.push(send('127.0.0.2'))
  await eventually('they have arrived', async () => (await waiting(proxy)) === 4)
  busy.push(send('127.0.0.3'))
  await eventually('so has the other', async () => (await waiting(proxy)) === 5)
  for (let done = 0; done < 6; done++) {
    await google.reached(1)
    order.push(google.open[0]?.request.url?.slice(-1) ?? '')
    google.respond()
  }
  await Promise.all(busy)
  t.ok(order.indexOf('3') <= 2, `served as no. ${order.indexOf('3') + 1} of six`)
})

t.test('the client with the most waiting requests gives way: it can’t keep the others out', async (t) => {
  const google = await startHeldGoogle(t)
  const settings = { Concurrency: { MaxInFlight: 1, MaxPending: 3 } }
  const { proxy, url } = await startServed(t, { baseUrl: google.baseUrl, proxy: settings })
  const busy = [search(url, '127.0.0.2')]
  await google.reached(1)
  for (let more = 0; more < 3; more++) busy.push(search(url, '127.0.0.2'))
  await eventually('its line is full', async () => (await waiting(proxy)) === 3)
  const other = search(url, '127.0.0.3')
  const refused = await Promise.race(busy)
  t.equal(refused.statusCode, 503)
  for (let left = 4; left > 0; left--) {
    await google.reached(1)
    google.respond()
  }
  t.equal((await other).statusCode, 200)
  t.same((await Promise.all(busy)).map(({ statusCode }) => statusCode).sort(), [200, 200, 200, 503])
})

t.test('a single rejection halves the slots, also when few are in use', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, url } = await startServed(t, { baseUrl: google.baseUrl, proxy: { Concurrency: { MaxInFlight: 64 } } })
  const refused = search(url)
  await google.reached(1)
  google.respond(503)
  t.equal((await refused).statusCode, 503)
  const status = await (await fetch(`${proxy.adminUrl}/api/status`)).text()
  t.match(status, /"QIDO-RS":\{"inFlight":0,"queued":0,"limit":32\}/)
})

t.test('each service of each account has its own slots', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, url, credentials } = await startServed(t, {
    baseUrl: google.baseUrl,
    accounts: ({ serviceAccountFile }) => ({ other: { ...demoAccount, ServiceAccountFile: serviceAccountFile } }),
    proxy: { Concurrency: { MaxInFlight: 1, MaxPending: 0 } },
  })
  t.ok(credentials)
  const requests: [string, string][] = [
    ['POST', 'studies'],
    ['GET', 'studies'],
    ['GET', 'studies/1.2'],
    ['DELETE', 'studies/1.2/series/3/instances/4'],
  ]
  t.equal(requests.length, dicomWebServices.length)
  const asking = requests.map(([method, path]) => fetch(url + path, { method, body: method === 'POST' ? 'x' : null }))
  await google.reached(4)
  for (const [method, path] of requests) {
    const response = await fetch(url + path, { method, body: method === 'POST' ? 'x' : null })
    t.match(await response.json(), { status: 503, code: 'too-busy', layer: 'proxy', attempts: 0 }, `${method} ${path}`)
  }
  const other = fetch(`${proxy.accountUrls.get('other')}studies`)
  await google.reached(5)
  for (let left = 5; left > 0; left--) google.respond()
  for (const response of await Promise.all([...asking, other])) t.equal(response.status, 200)
})

t.test('a client that leaves while it waits is never sent to Google', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, url, log } = await startServed(t, {
    baseUrl: google.baseUrl,
    proxy: { Concurrency: { MaxInFlight: 1 } },
  })
  const first = search(url)
  await google.reached(1)
  const leaving = request(`${url}series`, { agent: false }).end()
  leaving.on('error', () => {})
  await eventually('it waits', async () => (await waiting(proxy)) === 1)
  leaving.destroy()
  await eventually('its line is there', () => log().some(({ abortedBy }) => abortedBy === 'client'))
  const last = search(url)
  google.respond()
  await google.reached(1)
  t.match(google.open[0]?.request.url, /\/studies$/)
  google.respond()
  t.same([(await first).statusCode, (await last).statusCode], [200, 200])
})

t.test('rejections because of load lower the number in flight, until all get through', async (t) => {
  const clients = 64
  const quota = 6
  /** How many were open when each request came. */
  const seen: number[] = []
  let open = 0
  let refused = 0
  const all = Promise.withResolvers<void>()
  const google = createServer(async (request, response) => {
    open += 1
    seen.push(open)
    const isTooMany = open > quota
    if (isTooMany) refused += 1
    request.resume()
    if (seen.length === clients) all.resolve()
    await all.promise
    // Long enough for others to come meanwhile.
    await delay(20)
    open -= 1
    response.writeHead(isTooMany ? 429 : 200, { 'content-length': '2' }).end('[]')
  })
  const baseUrl = await listenOn(t, google)
  const { url } = await startServed(t, { baseUrl, proxy: { Retry: { TotalTimeout: 45 } } })
  const responses = await Promise.all(Array.from({ length: clients }, () => search(url)))
  t.same(new Set(responses.map(({ statusCode }) => statusCode)), new Set([200]))
  t.equal(Math.max(...seen), clients, 'all at once, at first')
  const most = Math.max(...seen.slice(clients))
  t.ok(most <= clients / 2, `${most} at the most after the first refusals`)
  t.ok(refused < 2 * clients, `${refused} refusals in all`)
})

t.test('clients that open many requests and hardly send don’t starve the others', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, url } = await startServed(t, {
    baseUrl: google.baseUrl,
    proxy: { Concurrency: { MaxInFlight: 8 } },
  })
  const port = Number(new URL(proxy.url).port)
  const idlers = Array.from({ length: 100 }, (_, at) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    // Half of them never end their head, the others never get on with their body.
    const head = `POST /google/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n`
    socket.write(at % 2 ? head : `${head}\r\nx`)
    return socket
  })
  await Promise.all(idlers.map((socket) => once(socket, 'connect')))
  const slow = () => google.open.filter(({ request }) => request.headers['content-length'] === '1000000').length
  await eventually('some of them are at Google', () => slow() > 0)
  const sending = fetch(`${url}studies`, { method: 'POST', body: Buffer.alloc(100_000) })
  await eventually('the upload is at Google', () => google.open.length > slow())
  t.ok(slow() <= 5, `${slow()} slow ones have a place`)
  const upload = google.open.findIndex(({ request }) => request.headers['content-length'] === '100000')
  google.open.unshift(...google.open.splice(upload, 1))
  google.respond()
  t.equal((await sending).status, 200)
})

/** How many searches wait for a place, by the proxy's own word. */
async function waiting({ adminUrl }: RunningProxy): Promise<number> {
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    accounts: { limiters: { 'QIDO-RS': { queued: number } } }[]
  }
  return status.accounts[0]?.limiters['QIDO-RS'].queued ?? 0
}
