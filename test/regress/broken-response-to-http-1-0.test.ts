import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

/** A Google that begins a response in this framing and then breaks the connection. */
function breaking(framing: string) {
  return createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`)
      socket.write(framing.startsWith('Transfer') ? '5\r\nhello\r\n' : 'hello', () => socket.resetAndDestroy())
    })
  })
}

const requests = [
  'GET /google/studies HTTP/1.0\r\nHost: localhost\r\n\r\n',
  'POST /google/studies HTTP/1.0\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx',
]

// The end of the connection is the end of a response to HTTP/1.0: only a reset marks a break.
t.test('a response that breaks off does not look complete to an HTTP/1.0 client', async (t) => {
  for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
    const { proxy } = await startServed(t, { baseUrl: await listenOn(t, breaking(framing)) })
    for (const request of requests) await t.rejects(rawRequest(proxy.url, request), { code: 'ECONNRESET' }, framing)
  }
})

// Both HTTP libraries take a reset for the end of a response that has neither length nor chunks.
t.test('a response that does not say where it ends is rejected', async (t) => {
  const { url } = await startServed(t, { baseUrl: await listenOn(t, breaking('Content-Type: text/plain')) })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'upstream-invalid' })
  }
})
