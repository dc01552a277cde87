import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

// Node hands over all requests that a connection has sent, and all of them went to Google side by
// side: a search overtook the deletion before it (RFC 9112 9.3.2).
t.test('a request waits for the one before it on the same connection', async (t) => {
  const events: string[] = []
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      const method = String(bytes).split(' ')[0] ?? ''
      events.push(`${method} begins`)
      setTimeout(
        () => {
          events.push(`${method} ends`)
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${method.length}\r\n\r\n${method}`)
        },
        method === 'GET' ? 0 : 100,
      )
    })
  })
  const { proxy } = await startServed(t, { baseUrl: await listenOn(t, google), proxy: { DeletionWait: 0 } })
  const responses = await rawRequest(
    proxy.url,
    [
      'DELETE /google/studies/1.2 HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'POST /google/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc',
      'GET /google/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    ].join(''),
  )
  t.same(events, ['DELETE begins', 'DELETE ends', 'POST begins', 'POST ends', 'GET begins', 'GET ends'])
  t.match(String(responses), /^HTTP.*\r\n\r\nDELETEHTTP.*\r\n\r\nPOSTHTTP.*\r\n\r\nGET$/s)
})

// They were carried out for nobody, and their lines never came into the log.
t.test('what waits when its client leaves is not carried out', async (t) => {
  const seen: string[] = []
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => seen.push(String(bytes).split(' ')[0] ?? ''))
  })
  const { proxy, log } = await startServed(t, { baseUrl: await listenOn(t, google), proxy: { DeletionWait: 0 } })
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  const get = 'GET /google/studies HTTP/1.1\r\nHost: localhost\r\n\r\n'
  socket.write(`${get}DELETE /google/studies/1.2 HTTP/1.1\r\nHost: localhost\r\n\r\n${get}`)
  await eventually('the first has reached Google', () => seen.length > 0)
  socket.destroy()
  await eventually('the log says so', () =>
    log().some(({ msg, abortedBy }) => msg === 'request' && abortedBy === 'client'),
  )
  t.equal((await fetch(`${proxy.url}/nobody/studies`)).status, 404)
  t.same(seen, ['GET'])
})

// The response to the first says that it is the last one, and yet the second was carried out (RFC
// 9112 9.6).
t.test('what follows a response that closes the connection is not carried out', async (t) => {
  const { emulator, proxy } = await startServed(t)
  await (await fetch(`${proxy.url}/google/studies`)).text()
  emulator.clearLog()
  const asking =
    'POST /nobody/studies HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc'
  const response = String(
    await rawRequest(proxy.url, `${asking}DELETE /google/studies/1.2 HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  )
  t.match(response, /^HTTP\/1\.1 404 .*\r\nConnection: close\r\n/s)
  t.equal(response.match(/HTTP\/1\.1/g)?.length, 1)
  t.same(emulator.log, [])
})
