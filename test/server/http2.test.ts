import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { get } from 'node:https'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { dicomWebServices } from '../../src/config/settings.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { basic, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { ask, responseOf, startHttp2 } from '../helpers/http2.ts'
import { errorCode, pseudo } from '../helpers/http2-frames.ts'
import { listenOn } from '../helpers/listen.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { stowOf } from '../helpers/served.ts'
import { startHeldGoogle } from './google.ts'

const search = { ':path': '/google/studies', accept: 'application/dicom+json' }
const post = { ':method': 'POST', ':path': '/google/studies', 'content-type': 'application/dicom' }

/** Takes Google's place. */
async function startGoogle(t: Test, respond: (request: IncomingMessage, response: ServerResponse) => void) {
  return `${await listenOn(t, createServer(respond))}/`
}

t.test('one port speaks HTTP/2 and HTTP/1.1, and only HTTP/1.1 by default', async (t) => {
  const { proxy, url, ca, connect, log } = await startHttp2(t)
  const protocolOf = async (address: string, ca: string, ALPNProtocols: string[]) => {
    const socket = connectTls({ host: '127.0.0.1', port: Number(new URL(address).port), ca, ALPNProtocols })
    await once(socket, 'secureConnect')
    socket.destroy()
    return socket.alpnProtocol
  }
  t.equal(await protocolOf(proxy.url, ca, ['h2', 'http/1.1']), 'h2')
  t.equal(await protocolOf(proxy.url, ca, ['http/1.1']), 'http/1.1')
  const [old] = (await once(get(`${url}studies`, { ca, agent: false }), 'response')) as [IncomingMessage]
  t.equal(old.statusCode, 200)
  old.resume()
  t.equal((await ask(await connect(), search)).status, 200)
  await eventually('both are logged', () => log().filter(({ msg }) => msg === 'request').length === 2)
  const versions = log().filter(({ msg }) => msg === 'request')
  t.same(
    versions.map(({ httpVersion }) => httpVersion),
    ['1.1', '2'],
  )
  const plain = await startHttp2(t, { proxy: { Tls: { Http2: false } } })
  t.equal(await protocolOf(plain.proxy.url, plain.ca, ['h2', 'http/1.1']), 'http/1.1')
})

t.test('uploads and retrievals pass byte for byte, many at once', async (t) => {
  const { connect } = await startHttp2(t)
  const session = await connect()
  const study = [...syntheticStudy({ series: 2, instances: 4 })]
  const { headers, body } = stowOf(study)
  // Also without a length.
  for (const more of [{}, { 'content-length': body.length }]) {
    const stored = await ask(session, { ...post, ...headers, ...more }, body)
    t.equal(stored.status, 200)
    t.equal(JSON.parse(String(stored.body))['00081199'].Value.length, study.length)
  }
  const retrieved = await Promise.all(
    study.map(({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }) =>
      ask(session, {
        ':path': `/google/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`,
        accept: 'multipart/related; type="application/dicom"; transfer-syntax=*',
      }),
    ),
  )
  for (const [at, { status, headers, body }] of retrieved.entries()) {
    t.equal(status, 200)
    t.ok(body.includes(study[at]?.bytes ?? 'none'), 'the instance')
    t.match(headers['content-type'], /^multipart\/related/)
  }
})

t.test('megabytes both ways, as fast as the slower side', async (t) => {
  const baseUrl = await startGoogle(t, (request, response) => {
    response.writeHead(200, { 'content-type': 'application/dicom', connection: 'close' })
    request.pipe(response)
  })
  const { connect } = await startHttp2(t, { baseUrl })
  const sent = Buffer.alloc(8 * 1024 * 1024, 'a body that repeats')
  const { status, headers, body } = await ask(await connect(), post, sent)
  t.equal(status, 200)
  t.ok(body.equals(sent))
  for (const name of ['connection', 'keep-alive', 'transfer-encoding']) t.notOk(name in headers, name)
})

t.test('heads are checked as over HTTP/1.1', async (t) => {
  const { connect, proxy } = await startHttp2(t, { proxy: { Cors: { Origins: ['https://viewer.example'] } } })
  const session = await connect()
  const codeOf = async (headers: Record<string, string>, body?: Buffer) => {
    const response = await ask(session, { ...search, ...headers }, body)
    return `${response.status} ${response.body.length > 0 ? JSON.parse(String(response.body)).code : ''}`
  }
  t.equal(await codeOf({ ':authority': 'evil.example' }), '421 wrong-host')
  t.equal(await codeOf({ ':authority': '127.0.0.1', host: 'localhost' }), '400 malformed-request')
  t.equal(await codeOf({ ':path': '/nobody/studies' }), '404 unknown-account')
  t.equal(await codeOf({ ':path': '/google/studies/1.2%2f' }), '400 malformed-request')
  t.equal(await codeOf({ origin: 'https://other.example' }), '403 cross-origin')
  t.equal(await codeOf({}, Buffer.from('x')), '400 body-not-allowed')
  t.equal(await codeOf({ ':method': 'HEAD', ':path': '/nobody/studies' }), '404 ')
  const put = await ask(session, { ...search, ':method': 'PUT' })
  t.equal(put.status, 405)
  t.ok(put.headers.allow)
  t.match(put.headers['proxy-status'], /gcp-dicomweb-proxy/)
  t.equal((await ask(session, { ...search, ':method': 'OPTIONS' })).status, 405)
  const preflight = { origin: 'https://viewer.example', 'access-control-request-method': 'GET' }
  const { status, headers } = await ask(session, { ...search, ':method': 'OPTIONS', ...preflight })
  t.equal(status, 204)
  t.equal(headers['access-control-allow-origin'], 'https://viewer.example')
  const raw = new URL(proxy.url).host
  t.equal((await ask(session, { ...search, ':authority': raw })).status, 200, 'its own address')
})

t.test('a response that Google cuts short is reset with an error, and never looks whole', async (t) => {
  const baseUrl = await startGoogle(t, (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'application/dicom' })
    const size = Number(new URL(request.url ?? '', 'http://x').searchParams.get('limit'))
    response.write(Buffer.alloc(size), () => setTimeout(() => response.socket?.resetAndDestroy(), 50))
  })
  const { connectRaw, log } = await startHttp2(t, { baseUrl })
  const raw = await connectRaw()
  const sizes = [1, 1000, 16_384, 60_000]
  for (const [at, size] of sizes.entries()) raw.request(2 * at + 1, pseudo('GET', `/google/studies?limit=${size}`))
  raw.request(9, pseudo('POST', '/google/studies'), true)
  for (const [at, size] of [...sizes, 0].entries()) {
    const stream = 2 * at + 1
    await eventually('it is reset', () => raw.resetOf(stream) !== undefined)
    t.equal(raw.resetOf(stream), errorCode.internal, `${size} bytes`)
    t.notOk(raw.isWhole(stream), `${size} bytes`)
  }
  t.notOk(raw.closed, 'the connection stays')
  await eventually('they are logged', () => log().filter(({ abortedBy }) => abortedBy === 'upstream').length === 5)
})

t.test('a request that its client resets ends at Google, and an upload does not look whole there', async (t) => {
  const ends: string[] = []
  const baseUrl = await startGoogle(t, (request, response) => {
    request.on('error', () => {}).resume()
    request.once('end', () => request.method === 'POST' && ends.push('whole'))
    response.once('close', () => ends.push(`${request.method} ${response.writableFinished}`))
    if (request.method === 'GET') response.write('first')
  })
  const { connect, log } = await startHttp2(t, { baseUrl })
  const session = await connect()
  for (const code of [errorCode.cancel, errorCode.none, errorCode.internal]) {
    ends.length = 0
    const retrieving = session.request({ ...search, ':path': '/google/studies/1.2' })
    await once(retrieving, 'response')
    retrieving.on('error', () => {}).close(code)
    await eventually('it ends at Google', () => ends.length === 1)
    const uploading = session.request(post, { endStream: false })
    uploading.on('error', () => {}).write('begun')
    await eventually('it is at Google', () => log().length > 0)
    const before = log().filter(({ msg }) => msg === 'request').length
    uploading.close(code)
    await eventually('it is logged', () => log().filter(({ msg }) => msg === 'request').length > before)
    t.match(
      log().findLast(({ msg }) => msg === 'request'),
      { abortedBy: 'client' },
    )
    t.notOk(ends.includes('whole'), `code ${code}`)
  }
})

t.test('an upload that is refused early reads why, and its connection serves others', async (t) => {
  const baseUrl = await startGoogle(t, (request, response) => {
    if (request.headers['content-type'] !== 'application/dicom+json') return void request.pipe(response)
    response.writeHead(403, { 'content-type': 'application/json', 'content-length': 2 }).end('{}')
  })
  const { connect } = await startHttp2(t, { baseUrl })
  const session = await connect()
  const part = Buffer.alloc(1024 * 1024)
  // More than the connection's window: what nobody has read must not count for ever.
  for (let at = 0; at < 20; at += 1) {
    const uploading = session.request({ ...post, 'content-type': 'application/dicom+json' }, { endStream: false })
    uploading.write(part)
    t.equal((await responseOf(uploading)).status, 403)
  }
  t.ok((await ask(session, post, part)).body.equals(part))
})

t.test('logins are those of each connection: by certificate, or by what a request says', needsOpenssl(), async (t) => {
  const authority = makeAuthority(t, 'Authority of clients')
  const google = { Accounts: { google: dicomWebServices } }
  const password = 'correct horse battery'
  const { connect, log } = await startHttp2(t, {
    proxy: {
      Tls: { ClientAuthorities: authority.certificate },
      Clients: {
        pathology: { CertificateSubject: 'CN=pathology', ...google },
        radiology: { PasswordHash: hashOf(password), ...google },
      },
    },
  })
  const { cert, keyText: key } = authority.issue({ usage: 'clientAuth', subject: '/CN=pathology' })
  t.equal((await ask(await connect({ cert, key }), search)).status, 200)
  const without = await connect()
  const refused = await ask(without, search)
  t.equal(refused.status, 401)
  t.ok(refused.headers['www-authenticate'])
  t.equal((await ask(without, { ...search, ...basic('radiology', password) })).status, 200)
  t.same(
    log()
      .filter(({ msg }) => msg === 'request')
      .map(({ client }) => client),
    ['pathology', undefined, 'radiology'],
  )
})

t.test('at the end, requests in flight finish, those that wait are told, and connections end', async (t) => {
  const google = await startHeldGoogle(t)
  const { connect, proxy } = await startHttp2(t, {
    baseUrl: google.baseUrl,
    proxy: { Concurrency: { MaxInFlight: 2 } },
  })
  const sessions = await Promise.all([connect(), connect(), connect(), connect()])
  const [first, second, third, idle] = sessions
  if (!first || !second || !third || !idle) throw new Error('No session')
  const held = [ask(first, search), ask(second, search)]
  await google.reached(2)
  const waiting = ask(third, search)
  await eventually('it waits for its turn', async () =>
    (await (await fetch(`${proxy.adminUrl}/api/status`)).text()).includes('"queued":1'),
  )
  const gone = once(idle, 'close')
  const closing = proxy.close()
  const { status, body } = await waiting
  t.equal(status, 503)
  t.equal(JSON.parse(String(body)).code, 'shutting-down')
  await gone
  google.respond()
  google.respond()
  for (const response of await Promise.all(held)) t.equal(response.status, 200)
  t.equal(await closing, 0, 'none by force')
})

t.test('what is still in flight when the grace is over looks cut short', async (t) => {
  const baseUrl = await startGoogle(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/dicom' }).write('first')
  })
  const { connectRaw, proxy, log } = await startHttp2(t, { baseUrl, proxy: { ShutdownGrace: 1 } })
  const raw = await connectRaw()
  raw.request(1, pseudo('GET', '/google/studies/1.2'))
  await eventually('it has begun', () => raw.bodyOf(1).length > 0)
  t.equal(await proxy.close(), 1)
  await eventually('it ends', () => raw.closed)
  t.notOk(raw.isWhole(1))
  t.equal(raw.goaway, 0)
  t.match(
    log().findLast(({ msg }) => msg === 'request'),
    { abortedBy: 'proxy' },
  )
})

t.test('a reload reaches connections that are open', async (t) => {
  const { connect, reload } = await startHttp2(t)
  const session = await connect()
  t.equal((await ask(session, search)).status, 200)
  const x = { PasswordHash: hashOf('a password'), Accounts: { google: dicomWebServices } }
  const { needsRestart } = await reload({ proxy: { Clients: { x } } })
  t.ok(needsRestart.includes('DicomWebProxy.Tls'))
  t.equal((await ask(session, search)).status, 401)
})

t.test('one connection does not take all slots, and streams count like connections', async (t) => {
  const google = await startHeldGoogle(t)
  const { connect, log } = await startHttp2(t, {
    baseUrl: google.baseUrl,
    proxy: { Concurrency: { MaxInFlight: 4 }, Limits: { ConnectionsPerAddress: 7 } },
  })
  const [first, second] = [await connect(), await connect()]
  await eventually('the settings have come', () => first.remoteSettings.maxConcurrentStreams === 3)
  const asked = Array.from({ length: 6 }, () => ask(first, search))
  await google.reached(3)
  const other = ask(second, search)
  await google.reached(4)
  // Two connections and five requests are what one address may have.
  const queued = ask(second, search)
  await t.rejects(ask(second, search), { message: /REFUSED_STREAM/ })
  t.ok(log().some(({ msg }) => msg === 'request refused'))
  for (let at = 0; at < 8; at += 1) {
    await eventually('one has come', () => google.open.length > 0)
    google.respond()
  }
  for (const response of await Promise.all([other, queued, ...asked])) t.equal(response.status, 200)
})
