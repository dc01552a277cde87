import { once } from 'node:events'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

const next = 'DELETE /google/studies/1.2 HTTP/1.1\r\nHost: localhost\r\n\r\n'
const chunked = '3\r\nabc\r\n0\r\n\r\n'

// Where these end, two readers may see differently (RFC 9112 6.1, 11.2), or Node itself loses what
// came in the same packet: what follows was taken for a request, or for the rest of one.
const doubtful: readonly [what: string, request: string, status: RegExp][] = [
  [
    'chunks in HTTP/1.0',
    `POST /google/studies HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
    /400/,
  ],
  [
    'another coding before chunked',
    `POST /google/studies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity, chunked\r\n\r\n${chunked}`,
    /400/,
  ],
  [
    'chunked in two headers',
    `POST /google/studies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
    /400/,
  ],
  [
    'an empty coding',
    `POST /google/studies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: ,chunked\r\n\r\n${chunked}`,
    /400/,
  ],
  [
    'an upgrade',
    'GET /google/studies HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
    /200/,
  ],
  [
    'an upload with an upgrade',
    'POST /nobody/studies HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc',
    /404/,
  ],
]

t.test('a request that has no certain end is the last of its connection', async (t) => {
  const { emulator, proxy } = await startServed(t)
  for (const [what, request, status] of doubtful) {
    const response = String(await rawRequest(proxy.url, request + next))
    t.match(response.split('\r\n')[0], status, what)
    t.equal(response.match(/HTTP\/1\.1 /g)?.length, 1, 'one response')
  }
  t.notOk(
    emulator.log.some(({ method }) => method === 'DELETE'),
    'what follows is not carried out',
  )
})

t.test('in pieces, too', async (t) => {
  const { emulator, proxy } = await startServed(t)
  const [, request = ''] = doubtful[1] ?? []
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(request.slice(0, -5))
  const [response] = await once(socket, 'data')
  t.match(String(response), /^HTTP\/1\.1 400 /)
  socket.write(request.slice(-5) + next)
  t.equal(String(await buffer(socket)), '')
  t.notOk(emulator.log.some(({ method }) => method === 'DELETE'))
})
