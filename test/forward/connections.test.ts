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

const requests = [{}, { method: 'POST', body: 'x' }]
const certificate = makeCertificate()

/** Google's DICOM API over TLS, by an authority that nobody knows. */
async function secureGoogle(t: Test): Promise<string> {
  return listenOn(
    t,
    createHttpsServer(certificate, (request, response) => request.resume().on('end', () => response.end('secure'))),
  )
}

t.test('an authority that nobody trusts: 502 that says so', async (t) => {
  const { url } = await startServed(t, { baseUrl: await secureGoogle(t) })
  for (const init of requests) {
    const answer = await fetch(`${url}studies`, init)
    t.equal(answer.status, 502)
    t.match(await answer.json(), { code: 'upstream-tls', detail: /HttpsCACertificates/ })
  }
})

t.test('HttpsCACertificates names the authority', async (t) => {
  const file = join(t.testdir({ 'ca.pem': certificate.authority }), 'ca.pem')
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
      const answer = await fetch(`${url}studies`, init)
      t.match(await answer.json(), { code: 'upstream-tls', detail: /ERR_TLS_CERT_ALTNAME_INVALID/ })
    }
  })
})

t.test('HttpsVerifyPeers: false trusts anyone', async (t) => {
  const { url } = await startServed(t, { baseUrl: await secureGoogle(t), top: { HttpsVerifyPeers: false } })
  for (const init of requests) t.equal(await (await fetch(`${url}studies`, init)).text(), 'secure')
})

t.test('the outgoing proxy is used for DICOM and token requests, with its password', async (t) => {
  const tunnels: { target: string | undefined; authorization: string | undefined }[] = []
  const outgoing = createHttpServer()
  outgoing.on('connect', (request, socket: Socket, head: Buffer) => {
    tunnels.push({ target: request.url, authorization: request.headers['proxy-authorization'] })
    const [host, port] = String(request.url).split(':')
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      onward.write(head)
      socket.pipe(onward).pipe(socket)
    })
    socket.on('error', () => onward.destroy())
    onward.on('error', () => socket.destroy())
  })
  const HttpProxy = `alice:s3cret@${new URL(await listenOn(t, outgoing)).host}`
  const HttpsCACertificates = join(t.testdir({ 'ca.pem': certificate.authority }), 'ca.pem')
  const { url, emulator } = await startServed(t, {
    emulator: { tls: certificate },
    top: { HttpsCACertificates, HttpProxy },
  })
  t.equal((await fetch(`${url}studies`)).status, 200)
  const [instance] = syntheticStudy({ instances: 1 })
  t.equal((await fetch(`${url}studies`, stowOf(instance ? [instance] : []))).status, 200)
  const authorization = `Basic ${Buffer.from('alice:s3cret').toString('base64')}`
  const target = new URL(emulator.url).host
  t.ok(tunnels.length >= 2, 'at least one for each transport')
  t.same(new Set(tunnels.map((tunnel) => JSON.stringify(tunnel))), new Set([JSON.stringify({ target, authorization })]))
  t.ok(emulator.log.length >= 3)
})

t.test('an outgoing proxy that refuses: 503 for want of a token, that says so', async (t) => {
  const outgoing = createHttpServer()
  outgoing.on('connect', (_request, socket: Socket) => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'))
  const HttpProxy = new URL(await listenOn(t, outgoing)).host
  const { url } = await startServed(t, { emulator: { tls: certificate }, top: { HttpProxy } })
  const answer = await fetch(`${url}studies`)
  t.equal(answer.status, 503)
  t.match(await answer.json(), { code: 'token-unavailable', detail: /HttpProxy/ })
})

t.test('an outgoing proxy that accepts and says nothing is no connection', async (t) => {
  let silent = false
  const outgoing = createHttpServer()
  outgoing.on('connect', (request, socket: Socket) => {
    socket.on('error', () => {})
    if (silent) {
      socket.on('end', () => socket.end()).resume()
      return
    }
    const [host, port] = String(request.url).split(':')
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    onward.on('error', () => socket.destroy())
  })
  const HttpProxy = new URL(await listenOn(t, outgoing)).host
  const HttpsCACertificates = join(t.testdir({ 'ca.pem': certificate.authority }), 'ca.pem')
  const { url, proxy } = await startServed(t, {
    emulator: { tls: certificate },
    baseUrl: await secureGoogle(t),
    proxy: { Timeouts: { Connect: 1 } },
    top: { HttpProxy, HttpsCACertificates },
  })
  await eventually('there is a token', async () => (await fetch(`${proxy.adminUrl}/readyz`)).ok)
  silent = true
  for (const init of requests) {
    const answer = await fetch(`${url}studies`, { ...init, signal: AbortSignal.timeout(10_000) })
    t.ok(answer.status === 502 || answer.status === 504)
    t.match(await answer.json(), { layer: 'upstream' })
  }
})

t.test('an outgoing proxy that refuses later: 502 that says so', async (t) => {
  let refusing = false
  const outgoing = createHttpServer()
  outgoing.on('connect', (request, socket: Socket) => {
    if (refusing) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
      return
    }
    const [host, port] = String(request.url).split(':')
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    socket.on('error', () => onward.destroy())
    onward.on('error', () => socket.destroy())
  })
  const HttpProxy = new URL(await listenOn(t, outgoing)).host
  const HttpsCACertificates = join(t.testdir({ 'ca.pem': certificate.authority }), 'ca.pem')
  const { url, proxy } = await startServed(t, {
    emulator: { tls: certificate },
    baseUrl: await secureGoogle(t),
    top: { HttpProxy, HttpsCACertificates },
  })
  await eventually('there is a token', async () => (await fetch(`${proxy.adminUrl}/readyz`)).ok)
  refusing = true
  for (const init of requests) {
    const answer = await fetch(`${url}studies`, init)
    t.equal(answer.status, 502)
    t.match(await answer.json(), { code: 'upstream-unreachable', detail: /HttpProxy/ })
  }
})
