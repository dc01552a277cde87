import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// The errors that undici has for these are not of its parser: the response said that Google can't
// be reached, and a read was sent again.
t.test('a response that undici itself rejects is invalid', async (t) => {
  let bytes = ''
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(bytes))
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (bytes of [
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    'HTTP/1.1 000 None\r\nContent-Length: 3\r\n\r\nabc',
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  ]) {
    const response = await fetch(`${url}studies`)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'upstream-invalid' }, bytes)
  }
})
