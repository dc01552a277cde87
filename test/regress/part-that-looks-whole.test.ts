import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// To an HTTP/1.0 client a response ends with its connection: everything that is cut short must end
// with a reset.

type Begin = (response: ServerResponse) => void

async function behind(t: Test, begin: Begin, proxy = {}) {
  const server = createServer((request, response) => {
    request.resume()
    response.on('error', () => {})
    response.writeHead(200, { 'content-type': 'application/dicom' })
    begin(response)
  })
  return startServed(t, { baseUrl: await listenOn(t, server), proxy })
}

const requests = {
  retrieval: 'GET /google/studies/1.2 HTTP/1.0\r\nHost: localhost\r\n\r\n',
  upload: 'POST /google/studies HTTP/1.0\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx',
}

/** A connection on which the response has begun, and which reads nothing of it for now. */
async function begun(url: string, request: string) {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), allowHalfOpen: true })
  socket.write(request)
  await once(socket, 'readable')
  return socket
}

const first: Begin = (response) => response.write('first')
/** More than all buffers on the way hold. */
const endless: Begin = (response) => {
  const more = () => {
    while (response.write(Buffer.alloc(1024 * 1024)));
  }
  response.on('drain', more)
  more()
}

// Node ends the connection of a client that has ended its side, also in the middle of a response.
t.test('to a client that closes its side of the connection', async (t) => {
  const { proxy } = await behind(t, first)
  for (const [what, request] of Object.entries(requests)) {
    const socket = await begun(proxy.url, request)
    socket.end()
    await t.rejects(buffer(socket), { code: 'ECONNRESET' }, what)
  }
})

t.test('to a client that sends on what is no request', async (t) => {
  const { proxy } = await behind(t, first)
  for (const [what, request] of Object.entries(requests)) {
    const socket = await begun(proxy.url, request)
    socket.write('?')
    await t.rejects(buffer(socket), { code: 'ECONNRESET' }, what)
  }
})

t.test('to a client that does not read on for too long', async (t) => {
  const { proxy, log } = await behind(t, endless, { Timeouts: { Idle: 1 } })
  for (const [what, request] of Object.entries(requests)) {
    const socket = await begun(proxy.url, request)
    const before = log().length
    await eventually('the client is given up', () =>
      log()
        .slice(before)
        .some(({ abortedBy }) => abortedBy === 'client'),
    )
    await t.rejects(buffer(socket), { code: 'ECONNRESET' }, what)
  }
})

t.test('when the grace of a proxy that ends is over', async (t) => {
  for (const [what, request] of Object.entries(requests)) {
    const { proxy } = await behind(t, first, { ShutdownGrace: 1 })
    const socket = await begun(proxy.url, request)
    const reading = t.rejects(buffer(socket), { code: 'ECONNRESET' }, what)
    await delay(0)
    t.equal(await proxy.close(), 1)
    await reading
  }
})
