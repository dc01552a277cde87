import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// A response whose last Transfer-Encoding isn't chunked ends with its connection (RFC 9112 6.3): a
// part of one looked whole. And one that is chunked last, but coded before that, reached the client
// without a word of its coding.
t.test('a response with another Transfer-Encoding than chunked is invalid', async (t) => {
  let coding = ''
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: ${coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n`)
    })
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (coding of [
    'identity',
    'xchunked',
    'gzip',
    'chunked, identity',
    '',
    'gzip, chunked',
    'chunked\r\nTransfer-Encoding: chunked',
  ]) {
    for (const init of [{}, { method: 'POST', body: 'x' }]) {
      const response = await fetch(`${url}studies`, init)
      t.equal(response.status, 502, JSON.stringify(coding))
      t.match(await response.json(), { code: 'upstream-invalid' })
    }
  }
  for (coding of ['chunked', 'Chunked']) {
    for (const init of [{}, { method: 'POST', body: 'x' }]) {
      t.equal(await (await fetch(`${url}studies`, init)).text(), 'abc', coding)
    }
  }
})
