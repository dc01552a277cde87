import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { request as secureRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { dicomWebServices } from '../../src/config/settings.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { basic, digestOf, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { needsNginx, startNginx } from '../helpers/nginx.ts'
import { type ServedOptions, startServed, stowOf } from '../helpers/served.ts'

// deploy/nginx/viewer.conf as it stands, but for addresses, files and the port.

const source = readFileSync(new URL('../../deploy/nginx/viewer.conf', import.meta.url), 'utf8')
const name = 'viewer.hospital.example'
const token = 'n'.repeat(43)
const Accounts = { google: dicomWebServices }
const nginxClient = { nginx: { TokenDigest: digestOf(token), UserHeader: 'X-Forwarded-User', Accounts } }
const publicUrl = `https://${name}/dicomweb`
const json = 'application/dicom+json'

/** Fails where the file no longer has what is replaced. */
function replaced(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`Not in deploy/nginx/viewer.conf: ${from}`)
    return changed.replaceAll(from, to)
  }, text)
}

/** As the file says: without the parts of the login. */
function withoutLogin(text: string): string {
  const shorter = text.replaceAll(/^ *# Login:.*?# End of login\.\n/gms, '')
  if (/auth_request|oauth2|X-Forwarded-User/.test(shorter.replaceAll(/^#.*$/gm, ''))) throw new Error('Some is left')
  return shorter
}

interface Behind extends ServedOptions {
  /** Of the file. */
  readonly change?: (text: string) => string
}

/** nginx with the file, in front of the proxy. */
async function startBehind(t: Test, { change = (text) => text, ...options }: Behind) {
  const audit = await mkdtemp(join(tmpdir(), 'audit-'))
  t.teardown(() => rm(audit, { recursive: true }))
  const auditFile = join(audit, 'audit.jsonl')
  const proxy = { PublicUrl: publicUrl, Audit: { File: auditFile }, ...options.proxy }
  const served = await startServed(t, { ...options, proxy })
  const asked: IncomingHttpHeaders[] = []
  const login = await listenOn(
    t,
    createServer((request, response) => oauth2Proxy(request, response, asked)),
  )
  const certificate = makeCertificate({ names: [name] })
  let files = ''
  const nginx = await startNginx(t, (port, folder) => {
    files = folder
    writeFileSync(join(folder, 'viewer.pem'), certificate.cert)
    writeFileSync(join(folder, 'viewer.key'), certificate.key)
    writeFileSync(join(folder, 'dicomweb-proxy-token'), `proxy_set_header Authorization "Bearer ${token}";`)
    mkdirSync(join(folder, 'ohif'))
    writeFileSync(join(folder, 'ohif/index.html'), '<!doctype html><title>viewer</title>')
    writeFileSync(join(folder, 'ohif/app.js'), 'viewer()')
    const site = replaced(source, {
      'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
      'server 127.0.0.1:8043': `server ${new URL(served.proxy.url).host}`,
      'http://127.0.0.1:4180': login,
      '/etc/nginx/': `${folder}/`,
      '/usr/share/ohif': `${folder}/ohif`,
    })
    return change(site)
  })
  const dial = (ALPNProtocols: string[]) =>
    connectTls({ host: '127.0.0.1', port: nginx.port, servername: name, ca: certificate.authority, ALPNProtocols })
  const http2 = () => {
    const session = connectHttp2(`https://${name}`, { createConnection: () => dial(['h2']) })
    t.teardown(() => session.destroy())
    return session
  }
  const records = async () => {
    const lines = (await readFile(auditFile, 'utf8')).trim().split('\n')
    return lines.map((line) => JSON.parse(line)).filter(({ audit }) => audit === 'request')
  }
  const onDisk = () =>
    ['client_body', 'proxy'].flatMap((kind) => readdirSync(join(files, kind), { recursive: true, encoding: 'utf8' }))
  /** What comes back until the connection is closed. */
  const askRaw = async (text: string) => {
    const socket = dial(['http/1.1'])
    socket.write(text)
    return (await buffer(socket)).toString('latin1')
  }
  return {
    ...served,
    ask: asker(() => dial(['http/1.1'])),
    askRaw,
    http2,
    records,
    asked,
    onDisk,
    errors: nginx.errors,
  }
}

/** A stand-in for oauth2-proxy: whoever has the cookie is logged in as mueller. */
function oauth2Proxy(request: IncomingMessage, response: ServerResponse, asked: IncomingHttpHeaders[]): void {
  asked.push(request.headers)
  if (request.url === '/oauth2/sign_in') response.writeHead(403).end('Sign in')
  else if (request.headers.cookie !== '_oauth2_proxy=mueller') response.writeHead(401).end()
  else response.writeHead(202, { 'x-auth-request-user': 'mueller' }).end()
}

const cookie = '_oauth2_proxy=mueller'

interface Exchange {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** Whether it came to its end, as far as a client can tell. */
  readonly isWhole: boolean
}

interface Init {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | Readable
}

function asker(dial: () => TLSSocket) {
  return async (path: string, { method = 'GET', headers = {}, body }: Init = {}): Promise<Exchange> => {
    const options = { path, method, headers: { host: name, ...headers }, createConnection: dial }
    const request = secureRequest(options)
    const responded = once(request, 'response') as Promise<[IncomingMessage]>
    if (body instanceof Readable) pipeline(body, request).catch(() => {})
    else request.end(body)
    const [response] = await responded
    const { text, isWhole } = await readAll(response)
    return { status: response.statusCode ?? 0, headers: response.headers, text, isWhole }
  }
}

/** Over HTTP/2. */
async function askOver(session: ClientHttp2Session, path: string, init: Init = {}): Promise<Exchange> {
  const { method = 'GET', headers = {}, body } = init
  const stream = session.request({ ':path': path, ':method': method, ...headers }, { endStream: body === undefined })
  if (body instanceof Readable) pipeline(body, stream).catch(() => {})
  else if (body) stream.end(body)
  const [received] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status'?: number }]
  const { text, isWhole } = await readAll(stream)
  return { status: received[':status'] ?? 0, headers: received, text, isWhole: isWhole && stream.rstCode === 0 }
}

async function readAll(stream: IncomingMessage | Duplex): Promise<{ text: string; isWhole: boolean }> {
  let text = ''
  stream.on('data', (chunk) => {
    text += chunk
  })
  const isWhole = await once(stream, 'end').then(
    () => true,
    () => false,
  )
  return { text, isWhole }
}

t.test('the file as it stands', needsNginx(), async (t) => {
  const behind = await startBehind(t, { proxy: { Clients: nginxClient } })
  const { ask, http2, records, asked, emulator, log } = behind
  const study = [...syntheticStudy({ seed: 1, instances: 2 })]
  const [first] = study
  const headers = { cookie, accept: json }

  await t.test('people log in to oauth2-proxy', async (t) => {
    t.match(await ask('/viewer?StudyInstanceUIDs=1.2&x=y'), { status: 403, text: 'Sign in' })
    t.equal(asked.at(-1)?.['x-auth-request-redirect'], '/viewer?StudyInstanceUIDs=1.2&x=y', 'where they come back to')
    for (const path of ['/dicomweb/google/studies', '/dicomweb/'])
      t.equal((await ask(path, { headers: { accept: json } })).status, 401, path)
    t.equal((await ask('/oauth2/auth', { headers })).status, 404, 'nobody else asks for it')
    const { authorization } = { authorization: `Bearer ${token}` }
    t.equal((await ask('/dicomweb/google/studies', { headers: { authorization } })).status, 401)
    t.same(await records(), [], 'nothing of it has reached the proxy')
    t.match((await ask('/', { headers })).text, /<title>viewer/)
    t.match((await ask('/app.js', { headers })).text, 'viewer()')
    t.match((await ask('/viewer?StudyInstanceUIDs=1.2', { headers })).text, /<title>viewer/, 'a path of the viewer')
  })

  await t.test('URLs in responses lead to the proxy, below the path', async (t) => {
    const { method, headers: stow, body } = stowOf(study)
    const stored = await ask('/dicomweb/google/studies', { method, headers: { ...stow, cookie }, body })
    const instance = `${publicUrl}/google/studies/${first?.studyInstanceUid}`
    t.match(stored, { status: 200, isWhole: true })
    t.match(stored.text, instance)
    t.notMatch(stored.text, emulator.url)
    const { status, text } = await ask(`/dicomweb/google/studies/${first?.studyInstanceUid}/metadata`, { headers })
    t.equal(status, 200)
    t.match(text, `"BulkDataURI":"${instance}`)
    const { BulkDataURI } = JSON.parse(text)[0]['7FE00010']
    t.equal((await ask(new URL(BulkDataURI).pathname, { headers: { cookie } })).status, 200)
  })

  await t.test('over HTTP/2', async (t) => {
    const session = http2()
    const found = await askOver(session, '/dicomweb/google/studies?limit=1', { headers })
    t.match(found, { status: 200, isWhole: true })
    t.match(JSON.parse(found.text), [{ '0020000D': { Value: [first?.studyInstanceUid] } }])
    t.equal(session.alpnProtocol, 'h2')
  })

  await t.test('who it was is in the audit trail, and nobody forges it', async (t) => {
    const before = (await records()).length
    const forged = { ...headers, 'X-Forwarded-User': 'boss', Authorization: basic('other', 'x').authorization }
    const asHttp2 = Object.fromEntries(Object.entries(forged).map(([key, value]) => [key.toLowerCase(), value]))
    t.equal((await ask('/dicomweb/google/studies', { headers: forged })).status, 200)
    t.equal((await askOver(http2(), '/dicomweb/google/studies', { headers: asHttp2 })).status, 200)
    await eventually('both are recorded', async () => (await records()).length === before + 2)
    for (const record of await records()) t.match(record, { client: 'nginx', user: 'mueller' })
  })

  await t.test('no page of another origin posts or reads with the cookie', async (t) => {
    for (const more of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const { status, text } = await ask('/dicomweb/google/studies', { headers: { ...headers, ...more } })
      t.equal(status, 403)
      t.match(JSON.parse(text), { code: 'cross-origin' })
    }
    const { method, headers: stow, body } = stowOf([...syntheticStudy({ seed: 2, instances: 1 })])
    const own = { ...stow, cookie, origin: `https://${name}`, 'sec-fetch-site': 'same-origin' }
    t.equal((await ask('/dicomweb/google/studies', { method, headers: own, body })).status, 200, "the viewer's own")
  })

  t.notMatch(JSON.stringify(log()), /_oauth2_proxy/)
  t.notMatch(
    asked.filter((one) => one['content-length'] !== undefined || one['transfer-encoding'] !== undefined),
    [{}],
    'oauth2-proxy is not sent the uploads',
  )
})

/** Takes Google's place: keeps what it gets, and breaks off what it sends. */
function brittleGoogle() {
  const uploads: PassThrough[] = []
  const server = createServer((request, response) => {
    if (request.method === 'POST') {
      const upload = request.pipe(new PassThrough())
      uploads.push(upload)
      request.once('end', () => response.writeHead(200, { 'content-type': json }).end('{}'))
      return
    }
    const bytes = Buffer.alloc(300_000, 'x')
    const isWhole = request.url?.includes('/1.2.1/') === true
    const length = request.url?.includes('/9.') ? { 'content-length': bytes.length } : {}
    response.writeHead(200, { 'content-type': 'application/dicom', ...length })
    if (isWhole) response.end(bytes)
    else response.write(bytes.subarray(0, 200_000), () => response.destroy())
  })
  return { server, uploads }
}

t.test('what streams through the file', needsNginx(), async (t) => {
  const google = brittleGoogle()
  const behind = await startBehind(t, { baseUrl: await listenOn(t, google.server), proxy: { Clients: nginxClient } })
  const { ask, askRaw, http2, onDisk } = behind
  const over = { 'HTTP/1.1': ask, 'HTTP/2': (path: string, init?: Init) => askOver(http2(), path, init) }

  for (const [version, exchange] of Object.entries(over)) {
    await t.test(`an upload reaches Google while it is still being sent, over ${version}`, async (t) => {
      google.uploads.length = 0
      const body = new PassThrough()
      const headers = { cookie, 'content-type': 'multipart/related; type="application/dicom"; boundary=x' }
      const responded = exchange('/dicomweb/google/studies', { method: 'POST', headers, body })
      body.write(`--x\r\nContent-Type: application/dicom\r\n\r\n${'a'.repeat(100_000)}`)
      let received = 0
      await eventually('it begins', () => google.uploads.length === 1)
      google.uploads[0]?.on('data', (chunk) => {
        received += chunk.length
      })
      await eventually('it has come', () => received > 100_000)
      // More than nginx would keep in memory.
      body.end(`${'b'.repeat(3_000_000)}\r\n--x--\r\n`)
      t.match(await responded, { status: 200, isWhole: true })
      t.equal(received, 3_100_000 + 49)
      t.same(onDisk(), [])
    })

    await t.test(`a response that is cut short never looks whole, over ${version}`, async (t) => {
      const of = (study: string) => `/dicomweb/google/studies/${study}/series/1.2/instances/1.2`
      const headers = { cookie, accept: 'application/dicom' }
      for (const study of ['1.2.2', '9.2.2']) {
        const { status, isWhole, text } = await exchange(of(study), { headers })
        t.same([status, isWhole], [200, false], study)
        t.ok(text.length < 300_000)
      }
      const whole = await exchange(of('1.2.1'), { headers })
      t.same([whole.status, whole.isWhole, whole.text.length], [200, true, 300_000])
      t.same(onDisk(), [])
    })
  }

  const line = 'GET /dicomweb/google/studies/1.2.1/series/1.2/instances/1.2 HTTP/1.0'
  t.match(await askRaw(`${line}\r\nHost: ${name}\r\nCookie: ${cookie}\r\n\r\n`), /^HTTP\/1\.1 505 /)
})

t.test('the file without oauth2-proxy', needsNginx(), async (t) => {
  const Clients = { viewer: { PasswordHash: hashOf('correct horse'), Accounts } }
  const change = withoutLogin
  const { ask, emulator } = await startBehind(t, {
    change,
    proxy: { Clients, Cors: { Origins: ['https://other.example'] } },
  })
  const { authorization } = basic('viewer', 'correct horse')
  t.match((await ask('/')).text, /<title>viewer/)
  t.match(await ask('/dicomweb/google/studies'), { status: 401, headers: { 'www-authenticate': /^Basic/ } })
  t.equal((await ask('/dicomweb/google/studies', { headers: { authorization, accept: json } })).status, 200)

  emulator.clearLog()
  const preflight = (origin: string) =>
    ask('/dicomweb/google/studies', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' },
    })
  const allowed = await preflight('https://other.example')
  t.match(allowed, { status: 204, headers: { 'access-control-allow-origin': 'https://other.example' } })
  t.match(allowed.headers['access-control-allow-headers'], /Authorization/)
  t.equal((await preflight('https://evil.example')).status, 403)
  t.same(emulator.log, [])
})

t.test('an account below the root, with TrustedProxies in place of PublicUrl', needsNginx(), async (t) => {
  const change = (text: string) =>
    replaced(withoutLogin(text), { 'location /dicomweb/': 'location /google/', 'dicomweb_proxy/;': 'dicomweb_proxy;' })
  const proxy = { PublicUrl: null, TrustedProxies: ['127.0.0.1'] }
  const Clients = { viewer: { PasswordHash: hashOf('correct horse'), Accounts } }
  const { ask } = await startBehind(t, { change, proxy: { ...proxy, Clients } })
  const { authorization } = basic('viewer', 'correct horse')
  const { method, headers: stow, body } = stowOf([...syntheticStudy({ seed: 3, instances: 1 })])
  const own = { authorization, origin: `https://${name}`, 'sec-fetch-site': 'same-origin' }
  for (const forged of [{}, { forwarded: 'proto=http;host=evil.example', 'x-forwarded-host': 'evil.example' }]) {
    const { status, text } = await ask('/google/studies', { method, headers: { ...stow, ...own, ...forged }, body })
    t.equal(status, 200, text)
    t.match(text, `https://${name}/google/studies/`)
  }
})

t.test('without the Host line, the proxy says what is wrong', needsNginx(), async (t) => {
  const change = (text: string) => {
    const block = '        proxy_set_header Host $host;\n        # Only for TrustedProxies'
    return withoutLogin(replaced(text, { [block]: '        # Only for TrustedProxies' }))
  }
  const { ask } = await startBehind(t, { change })
  const { status, text } = await ask('/dicomweb/google/studies')
  t.equal(status, 421)
  t.match(JSON.parse(text), { code: 'wrong-host' })
})
