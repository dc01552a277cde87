import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

/**
 * It promised to stay open, and was closed a moment later: the client's next request could be lost
 * on it.
 */
t.test('a request that is rejected at shutdown, after a response that had begun, closes its connection', async (t) => {
  const begun = Promise.withResolvers<ServerResponse>()
  const google = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': '4' }).write('[  ')
    begun.resolve(response)
  })
  const { proxy } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  socket.write('GET /google/studies HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(2))
  const [beginning] = await once(socket, 'data')
  t.match(String(beginning), /Connection: keep-alive/)
  const rest = text(socket)
  const closing = proxy.close()
  const response = await begun.promise
  response.end(']')
  t.match(await rest, /^\]HTTP\/1\.1 503 .*\r\nConnection: close\r\n.*"shutting-down"/s)
  await closing
})
