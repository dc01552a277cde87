import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import t, { type Test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

const proxy = { Timeouts: { Connect: 1, Answer: 2, Idle: 1 } }

async function behind(t: Test, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  return startServed(t, { proxy, baseUrl: await listenOn(t, createServer(answer)) })
}

t.test('Google that never answers a search: 504', async (t) => {
  const { url } = await behind(t, () => {})
  const answer = await fetch(`${url}studies`)
  t.equal(answer.status, 504)
  t.match(await answer.json(), { code: 'upstream-timeout', layer: 'upstream', attempts: 1 })
})

t.test('Google that reads an upload and never answers: 504', async (t) => {
  const { url } = await behind(t, (request) => request.resume())
  const answer = await fetch(`${url}studies`, { method: 'POST', body: 'x' })
  t.equal(answer.status, 504)
  t.match(await answer.json(), { code: 'upstream-timeout' })
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
  const [answer] = (await once(sending, 'response')) as [IncomingMessage]
  t.equal(answer.statusCode, 504)
  sending.destroy()
})

t.test('a client that stops sending: 408', async (t) => {
  const { url } = await behind(t, (request) => request.resume())
  const sending = request(`${url}studies`, { method: 'POST' })
  sending.on('error', () => {})
  sending.write('x')
  const [answer] = (await once(sending, 'response')) as [IncomingMessage]
  t.equal(answer.statusCode, 408)
  sending.destroy()
})

t.test('a download that stalls breaks the connection of the client', async (t) => {
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const { url } = await behind(t, (request, response) => {
      request.resume()
      response.write('begun')
    })
    const answer = await fetch(`${url}studies`, init)
    t.equal(answer.status, 200)
    await t.rejects(answer.text(), { name: 'TypeError' })
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
    const [answer] = (await once(asking, 'response')) as [IncomingMessage]
    answer.on('error', () => {}).pause()
    const cut = () => log().filter(({ msg, cutBy }) => msg === 'request' && cutBy).length
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
    const answer = await fetch(`${url}studies`, init)
    t.equal(answer.status, 502)
    t.match(await answer.json(), { code: 'upstream-unreachable', layer: 'upstream' })
  }
})

t.test('a connection that is refused: 502', async (t) => {
  const gone = createServer()
  const baseUrl = await listenOn(t, gone)
  gone.close()
  await once(gone, 'close')
  const { url } = await startServed(t, { baseUrl })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const answer = await fetch(`${url}studies`, init)
    t.equal(answer.status, 502)
    t.match(await answer.json(), { code: 'upstream-unreachable', detail: /refused.*ECONNREFUSED/ })
  }
})

t.test('a connection that is reset before an answer: 502', async (t) => {
  const { url } = await behind(t, (request) => request.socket.resetAndDestroy())
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const answer = await fetch(`${url}studies`, init)
    t.equal(answer.status, 502)
    t.match(await answer.json(), { code: 'upstream-reset' })
  }
})

t.test('an answer that is not HTTP: 502', async (t) => {
  const talker = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, talker) })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const answer = await fetch(`${url}studies`, init)
    t.equal(answer.status, 502)
    t.match(await answer.json(), { code: 'upstream-invalid' })
  }
})
