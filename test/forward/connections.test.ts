import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed, stowOf } from '../helpers/served.ts'
import { listenStalled } from '../helpers/stalled-listener.ts'

const requests = [{}, { method: 'POST', body: 'x' }]
const certificate = makeCertificate()

/** Google's DICOM API over TLS, by an authority that nobody knows. */
async function secureGoogle(t: Test): Promise<string> {
  return listenOn(
    t,
    createHttpsServer(certificate, (request, response) => request.resume().on('end', () => response.end('secure'))),
  )
}

interface OutgoingProxy {
  /** As `HttpProxy` names it. */
  readonly host: string
  readonly tunnels: { target: string | undefined; authorization: string | undefined }[]
  /** What it does with a CONNECT instead of making a tunnel. */
  refuse: ((socket: Socket) => void) | null
}

/** An outgoing proxy as hospitals have them: it makes tunnels. */
async function outgoingProxy(t: Test): Promise<OutgoingProxy> {
  const server = createHttpServer((_request, response) => response.writeHead(407).end())
  const proxy: OutgoingProxy = { host: new URL(await listenOn(t, server)).host, tunnels: [], refuse: null }
  server.on('connect', (request, socket: Socket, head: Buffer) => {
    proxy.tunnels.push({ target: request.url, authorization: request.headers['proxy-authorization'] })
    if (proxy.refuse) {
      proxy.refuse(socket)
      return
    }
    const [host, port] = String(request.url).split(':')
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      onward.write(head)
      socket.pipe(onward).pipe(socket)
    })
    socket.on('error', () => onward.destroy())
    onward.on('error', () => socket.destroy())
  })
  return proxy
}

const authorityFile = (t: Test) => join(t.testdir({ 'ca.pem': certificate.authority }), 'ca.pem')

t.test('an authority that nobody trusts: 502 that says so', async (t) => {
  const { url } = await startServed(t, { baseUrl: await secureGoogle(t) })
  for (const init of requests) {
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'upstream-tls', detail: /HttpsCACertificates/ })
  }
})

t.test('HttpsCACertificates names the authority', async (t) => {
  const file = authorityFile(t)
  t.test('both transports trust it', async (t) => {
    const { url } = await startServed(t, { baseUrl: await secureGoogle(t), top: { HttpsCACertificates: file } })
    for (const init of requests) t.equal(await (await fetch(`${url}studies`, init)).text(), 'secure')
  })
  t.test('but not for another host', async (t) => {
    const baseUrl = (await secureGoogle(t)).replace('127.0.0.1', '127.0.0.2')
    const other = createHttpsServer(certificate)
    other.listen(Number(new URL(baseUrl).port), '127.0.0.2')
    await once(other, 'listening')
    t.teardown(() => other.close())
    const { url } = await startServed(t, { baseUrl, top: { HttpsCACertificates: file } })
    for (const init of requests) {
      const response = await fetch(`${url}studies`, init)
      t.match(await response.json(), { code: 'upstream-tls', detail: /ERR_TLS_CERT_ALTNAME_INVALID/ })
    }
  })
})

t.test('HttpsVerifyPeers: false trusts anyone', async (t) => {
  const { url } = await startServed(t, { baseUrl: await secureGoogle(t), top: { HttpsVerifyPeers: false } })
  for (const init of requests) t.equal(await (await fetch(`${url}studies`, init)).text(), 'secure')
})

t.test('the outgoing proxy is used for DICOM and token requests, with its password', async (t) => {
  const outgoing = await outgoingProxy(t)
  const { url, emulator } = await startServed(t, {
    emulator: { tls: certificate },
    top: { HttpsCACertificates: authorityFile(t), HttpProxy: `alice:s3cret@${outgoing.host}` },
  })
  t.equal((await fetch(`${url}studies`)).status, 200)
  const [instance] = syntheticStudy({ instances: 1 })
  t.equal((await fetch(`${url}studies`, stowOf(instance ? [instance] : []))).status, 200)
  const authorization = `Basic ${Buffer.from('alice:s3cret').toString('base64')}`
  const tunnel = { target: new URL(emulator.url).host, authorization }
  t.ok(outgoing.tunnels.length >= 2, 'at least one for each transport')
  t.same(
    outgoing.tunnels,
    outgoing.tunnels.map(() => tunnel),
  )
  t.ok(emulator.log.length >= 3)
})

t.test('an outgoing proxy that refuses: 503 without a token, and the response says so', async (t) => {
  const outgoing = await outgoingProxy(t)
  outgoing.refuse = (socket) => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
  const { url } = await startServed(t, { emulator: { tls: certificate }, top: { HttpProxy: outgoing.host } })
  const response = await fetch(`${url}studies`)
  t.equal(response.status, 503)
  t.match(await response.json(), { code: 'token-unavailable', detail: /HttpProxy/ })
})

/** An outgoing proxy that let the token through; from now on it is the test's. */
async function behindOutgoing(t: Test) {
  const outgoing = await outgoingProxy(t)
  const { url, proxy } = await startServed(t, {
    emulator: { tls: certificate },
    baseUrl: await secureGoogle(t),
    proxy: { Timeouts: { Connect: 1 } },
    top: { HttpProxy: outgoing.host, HttpsCACertificates: authorityFile(t) },
  })
  await eventually('there is a token', async () => (await fetch(`${proxy.adminUrl}/readyz`)).ok)
  return { outgoing, url }
}

t.test('an outgoing proxy that refuses later: 502 that says so', async (t) => {
  const { outgoing, url } = await behindOutgoing(t)
  outgoing.refuse = (socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  for (const init of requests) {
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'upstream-unreachable', detail: /HttpProxy/ })
  }
})

t.test('an outgoing proxy that accepts and says nothing is no connection', async (t) => {
  const { outgoing, url } = await behindOutgoing(t)
  outgoing.refuse = (socket) =>
    socket
      .on('error', () => {})
      .on('end', () => socket.end())
      .resume()
  for (const init of requests) {
    const response = await fetch(`${url}studies`, { ...init, signal: AbortSignal.timeout(10_000) })
    t.equal(response.status, 502)
    const detail = /the outgoing proxy did not respond in time \(ERR_TUNNEL_TIMEOUT\)\. .*raise Timeouts\.Connect/
    t.match(await response.json(), { code: 'upstream-unreachable', layer: 'upstream', detail })
  }
})

t.test('an address that never responds is no connection', async (t) => {
  const { port } = new URL(await secureGoogle(t))
  await listenStalled(t, { host: '127.0.0.2', port: Number(port) }, Number(port))
  const { url } = await startServed(t, {
    baseUrl: `https://127.0.0.2:${port}`,
    proxy: { Timeouts: { Connect: 1 } },
  })
  for (const init of requests) {
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 502)
    const detail = /no connection was made in time \(ERR_CONNECT_TIMEOUT\)\. .*raise Timeouts\.Connect/
    t.match(await response.json(), { code: 'upstream-unreachable', layer: 'upstream', detail })
  }
})
