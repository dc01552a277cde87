import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import t from 'tap'
import { Connector } from '../../src/forward/connector.ts'
import { networkFailureOf } from '../../src/network-failure.ts'
import { outgoingDirect } from '../credentials/issuer.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { listenOn } from '../helpers/listen.ts'

// A TLS session with which a handshake had failed was offered again and again. A shutdown during
// CONNECT was said to be an outgoing proxy that is too slow.

const certificate = makeCertificate()
const secureContext = createSecureContext({ ca: certificate.authority })
const resolve = async () => ['127.0.0.1']

t.test('a session is forgotten when a handshake fails', async (t) => {
  const secure = createTlsServer(certificate, (socket) =>
    socket
      .on('error', () => {})
      .resume()
      .write('x'),
  )
  let isBroken = false
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {})
    if (isBroken) socket.once('data', () => socket.resetAndDestroy())
    else secure.emit('connection', socket)
  })
  const url = new URL((await listenOn(t, server)).replace('http:', 'https:'))
  const connector = new Connector({ outgoing: outgoingDirect, secureContext, resolve })
  const isResumed = async () => {
    const socket = (await connector.open(url)) as TLSSocket
    const resumed = socket.isSessionReused()
    // The session has come before it.
    await once(socket, 'data')
    socket.destroy()
    return resumed
  }
  t.equal(await isResumed(), false)
  t.equal(await isResumed(), true)
  isBroken = true
  await t.rejects(connector.open(url), { code: 'ECONNRESET' })
  isBroken = false
  t.equal(await isResumed(), false)
})

t.test('a shutdown during CONNECT is no timeout', async (t) => {
  const proxy = createServer((socket) => socket.on('error', () => {}))
  const httpsProxy = await listenOn(t, proxy)
  const connector = new Connector({ outgoing: { ...outgoingDirect, httpsProxy }, secureContext, resolve })
  const asked = once(proxy, 'connection').then(([socket]) => once(socket, 'data'))
  const opening = connector.open(new URL('https://google.test/')).catch((error: unknown) => error)
  await asked
  connector.close()
  t.match(await opening, { message: 'No connection is needed any more' })
  t.not(networkFailureOf(await opening).kind, 'timeout')
})
