import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import t, { type Test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

// Each test has a proxy of its own, and waits most of the time.
t.jobs = 6

const proxy = { Timeouts: { Connect: 1, Response: 2, Idle: 1 } }

async function behind(t: Test, respond: (request: IncomingMessage, response: ServerResponse) => void) {
  return startServed(t, { proxy, baseUrl: await listenOn(t, createServer(respond)) })
}

/** Google reads everything, and responds at its end. */
async function behindWith(t: Test, settings: object) {
  const google = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'content-length': '2' }).end('{}'))
  })
  return startServed(t, { proxy: settings, baseUrl: await listenOn(t, google) })
}

t.test('Google that never responds to a search: 504', async (t) => {
  const { url } = await behind(t, () => {})
  const response = await fetch(`${url}studies`)
  t.equal(response.status, 504)
  t.match(await response.json(), { code: 'upstream-timeout', layer: 'upstream', attempts: 1 })
})

t.test('Google that reads an upload and never responds: 504', async (t) => {
  const { url } = await behind(t, (request) => request.resume())
  const response = await fetch(`${url}studies`, { method: 'POST', body: 'x' })
  t.equal(response.status, 504)
  t.match(await response.json(), { code: 'upstream-timeout' })
})

t.test('Google that stops reading an upload: 504', async (t) => {
  const { url } = await behind(t, (request) => request.pause())
  const sending = request(`${url}studies`, { method: 'POST' })
  sending.on('error', () => {})
  const pump = () => {
    while (sending.write(Buffer.alloc(1024 * 1024)));
    sending.once('drain', pump)
  }
  pump()
  const [response] = (await once(sending, 'response')) as [IncomingMessage]
  t.equal(response.statusCode, 504)
  sending.destroy()
})

t.test('a client that stops sending: 408', async (t) => {
  const { url } = await behind(t, (request) => request.resume())
  const sending = request(`${url}studies`, { method: 'POST' })
  sending.on('error', () => {})
  sending.write('x')
  const [response] = (await once(sending, 'response')) as [IncomingMessage]
  t.equal(response.statusCode, 408)
  sending.destroy()
})

t.test('a client that sends a byte now and then, and one that never ends its head: 408', async (t) => {
  const { proxy, url, log } = await behindWith(t, { Timeouts: { Idle: 1, MinBodyRate: 1000, RequestHeaders: 1 } })
  const dripping = request(`${url}studies`, { method: 'POST' })
  dripping.on('error', () => {})
  const drip = setInterval(() => dripping.write('x'), 100)
  const [response] = (await once(dripping, 'response')) as [IncomingMessage]
  clearInterval(drip)
  t.equal(response.statusCode, 408)
  dripping.destroy()
  const head = await rawRequest(proxy.url, 'GET /google/studies HTTP/1.1\r\nHost: localhost\r\n')
  t.match(String(head), /^HTTP\/1.1 408 .*"request-timeout".*request's headers/s)
  t.ok(log().some(({ status, reason }) => status === 408 && reason === 'ERR_HTTP_REQUEST_TIMEOUT'))
})

t.test('a slow upload that makes way is not cut', async (t) => {
  const { url } = await behindWith(t, { Timeouts: { Idle: 1, MinBodyRate: 1000 } })
  const sending = request(`${url}studies`, { method: 'POST' })
  let sent = 0
  const drip = setInterval(() => {
    sent += 1
    if (sent < 30) sending.write(Buffer.alloc(300))
    else sending.end()
  }, 100)
  const [response] = (await once(sending, 'response')) as [IncomingMessage]
  clearInterval(drip)
  t.equal(response.statusCode, 200)
  response.resume()
})

t.test('searches and deletions have a limit of their own', async (t) => {
  const google = createServer(() => {})
  const { url } = await startServed(t, {
    baseUrl: await listenOn(t, google),
    proxy: { Timeouts: { Response: 60, SearchResponse: 1 } },
  })
  for (const [method, path] of [
    ['GET', 'studies'],
    ['DELETE', 'studies/1/series/2/instances/3'],
  ] as const) {
    t.match(await (await fetch(url + path, { method })).json(), { code: 'upstream-timeout' })
  }
  const leaving = new AbortController()
  const retrieving = fetch(`${url}studies/1`, { signal: leaving.signal })
  const searching = fetch(`${url}studies`)
  t.equal(
    await Promise.race([searching.then(() => 'the search'), retrieving.then(() => 'the retrieval')]),
    'the search',
  )
  leaving.abort()
  await t.rejects(retrieving, { name: 'AbortError' })
})

t.test('a download that stalls breaks the connection of the client', async (t) => {
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const { url } = await behind(t, (request, response) => {
      request.resume()
      response.write('begun')
    })
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 200)
    await t.rejects(response.text(), { name: 'TypeError' })
  }
})

t.test('a client that reads no more is cut off', async (t) => {
  const { url, log } = await behind(t, (request, response) => {
    request.resume()
    response.end(Buffer.alloc(64 * 1024 * 1024))
  })
  for (const method of ['GET', 'POST']) {
    const asking = request(`${url}studies`, { method }).end()
    asking.on('error', () => {})
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    response.on('error', () => {}).pause()
    const cut = () => log().filter(({ msg, abortedBy }) => msg === 'request' && abortedBy).length
    await eventually(`${method} is cut`, () => cut() === (method === 'GET' ? 1 : 2))
    asking.destroy()
  }
})

t.test('a connection that is never made: 502', async (t) => {
  // It accepts, and never says a word of TLS.
  const silent = createTcpServer((socket) => socket.on('error', () => {}).resume())
  const baseUrl = (await listenOn(t, silent)).replace('http:', 'https:')
  const { url } = await startServed(t, { proxy, baseUrl })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'upstream-unreachable', layer: 'upstream' })
  }
})

t.test('a connection that is refused: 502', async (t) => {
  const gone = createServer()
  const baseUrl = await listenOn(t, gone)
  gone.close()
  await once(gone, 'close')
  const { url } = await startServed(t, { baseUrl })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'upstream-unreachable', detail: /refused.*ECONNREFUSED/ })
  }
})

t.test('a connection that is reset before a response: 502', async (t) => {
  const { url } = await behind(t, (request) => request.socket.resetAndDestroy())
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'upstream-reset' })
  }
})

t.test('a response that is not HTTP: 502', async (t) => {
  const talker = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, talker) })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'upstream-invalid' })
  }
})
