import { createServer } from 'node:http'
import { connect } from 'node:tls'
import { test } from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { startServed } from '../helpers/served.ts'

// Over TLS a broken connection ended like one with a whole response, except for a notice that many
// clients don't miss: with HTTP/1.0, where the end of the connection is that of the body, a part of
// a study looked like all of it.
test('a response that breaks off resets the connection over TLS, too', needsOpenssl(), async (t) => {
  const google = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('part', () => setTimeout(() => response.destroy(), 50))
  })
  const authority = makeAuthority(t)
  const { certificate, key } = authority.issue()
  const { url } = await startServed(t, {
    baseUrl: await listenOn(t, google),
    proxy: { Tls: { Certificate: certificate, Key: key } },
  })
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', ca: authority.cert })
  const ended: string[] = []
  let response = ''
  socket.on('data', (chunk) => {
    response += chunk
  })
  socket.on('end', () => ended.push('in order'))
  socket.on('error', ({ message }) => ended.push(message))
  socket.write('GET /google/studies/1.2.3 HTTP/1.0\r\n\r\n')
  await new Promise((resolve) => socket.once('close', resolve))
  t.match(response, /^HTTP\/1\.1 200 .*part$/s)
  t.same(ended, ['read ECONNRESET'])
})
