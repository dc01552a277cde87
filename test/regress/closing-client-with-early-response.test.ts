import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// The connection is kept open while the body still comes. If the body had arrived by the end of the
// response, nothing closed the connection any more.
t.test('a connection closes as its client requested, when the response began before the body had ended', async (t) => {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {})
    let text = ''
    socket.on('data', (bytes) => {
      if (text === '') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsto')
      text += bytes
      if (!text.endsWith('abcdef')) return
      text = ''
      socket.write('red')
    })
  })
  const { proxy } = await startServed(t, { baseUrl: await listenOn(t, server) })
  for (const version of ['1.0', '1.1']) {
    const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
    socket.on('error', () => {})
    // The proxy's own time for that is more than a minute.
    const timer = setTimeout(() => socket.destroy(new Error('The connection still stands')), 5_000)
    t.teardown(() => socket.destroy())
    socket.write(
      `POST /google/studies HTTP/${version}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 6\r\n\r\nabc`,
    )
    const [beginning] = await once(socket, 'data')
    socket.write('def')
    t.match(String(beginning) + String(await buffer(socket)), /^HTTP\/1\.1 200 .*stored$/s)
    clearTimeout(timer)
  }
})
