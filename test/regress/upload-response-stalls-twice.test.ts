import { createServer } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// While a client read an upload's response slowly, the connection to Google was idle, which Node
// tells a request once only: when Google fell silent after that, nothing ended the transfer.
t.test('an upload whose response stalls after a slow spell of the client ends', async (t) => {
  const google = createServer((request, response) => {
    request.resume().once('end', () => {
      if (request.url === '/token') response.end('{"access_token":"a-token-of-the-test","expires_in":3600}')
      else {
        response.writeHead(200, { 'content-type': 'application/dicom+json', 'content-length': 100_000_000 })
        response.write(Buffer.alloc(30_000_000, ' '))
      }
    })
  })
  const baseUrl = await listenOn(t, google)
  const { url } = await startServed(t, { baseUrl, proxy: { Timeouts: { Idle: 2, MinBodyRate: 1 } } })
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) })
  t.teardown(() => socket.destroy())
  let received = 0
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(
    'POST /google/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\nContent-Length: 1\r\n\r\n.',
  )
  // Longer than Idle, which Node tells the request; and less than what the client is cut off for.
  await new Promise((resolve) => setTimeout(resolve, 2_250))
  socket.on('data', (chunk) => {
    received += chunk.length
  })
  await closed
  t.ok(received < 100_000_000, `it ends, with ${received} bytes`)
})
