import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import t from 'tap'
import type { Emulator } from '../../src/emulator/emulator.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { Cors as CorsOfGuard } from '../../src/guard/cors.ts'
import { basic, digestOf, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { type Message, readMessages, valuesOf } from '../helpers/messages.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const viewer = 'https://viewer.example'
const Cors = { Origins: [viewer, 'http://127.0.0.1:3000'] }
const Clients = {
  viewer: { PasswordHash: hashOf('correct horse'), Accounts: { google: ['STOW-RS', 'QIDO-RS', 'WADO-RS'] } },
}
const login = basic('viewer', 'correct horse')

type Headers = Record<string, string> | [name: string, value: string][]

function bytesOf(line: string, headers: Headers, host = 'localhost'): string {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers)
  const all = [['Host', host], ...pairs, ['Connection', 'close']]
  return `${line} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

async function ask(url: string, line: string, headers: Headers, host?: string): Promise<Message> {
  const { messages } = readMessages(await rawRequest(url, bytesOf(line, headers, host)), () => line.startsWith('HEAD'))
  t.equal(messages.length, 1)
  return messages[0] as Message
}

const reachedStore = ({ log }: Emulator) => log.some(({ target }) => target.includes('dicomWeb'))
const statusOf = ({ start }: Message) => Number(start.split(' ')[1])
const allowed = (message: Message) => valuesOf(message, 'access-control-allow-origin')
const namesOf = ({ headers }: Message) => headers.map(([name]) => name).filter((name) => name.startsWith('access-'))
const preflight = (origin: string, method = 'GET') => ({
  Origin: origin,
  'Access-Control-Request-Method': method,
  'Access-Control-Request-Headers': 'authorization',
  'Sec-Fetch-Site': 'cross-site',
  'Sec-Fetch-Mode': 'cors',
})

t.test('a preflight of a named page: alike for every path, before any login, and not a word to Google', async (t) => {
  const { proxy, emulator, log } = await startServed(t, { proxy: { Cors, Clients } })
  const headers: (readonly (readonly [string, string])[])[] = []
  for (const path of ['/google/studies', '/nobody/studies', '/', '/google/studies/1.2.3?x=%00', '*', '/%zz']) {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'PATCH', 'no-such']) {
      const response = await ask(proxy.url, `OPTIONS ${path}`, preflight(viewer, method))
      t.equal(statusOf(response), 204, `${method} ${path}`)
      headers.push(response.headers.filter(([name]) => name !== 'date'))
    }
  }
  t.same(new Set(headers.map((all) => JSON.stringify(all))).size, 1, 'one response to all')
  const [one] = headers
  const headerOf = (name: string) => one?.find(([each]) => each === name)?.[1] ?? ''
  t.equal(headerOf('access-control-allow-origin'), viewer)
  t.equal(headerOf('access-control-allow-methods'), 'GET, HEAD, POST, DELETE')
  for (const name of ['Authorization', 'Content-Type', 'Accept', 'Range', 'If-None-Match', 'Storage-Class']) {
    t.ok(headerOf('access-control-allow-headers').split(', ').includes(name), name)
  }
  t.match(headerOf('access-control-max-age'), /^\d+$/)
  t.equal(headerOf('vary'), 'Origin')
  t.notOk(
    one?.some(([name]) => name === 'access-control-allow-credentials'),
    'no cookies',
  )
  t.notOk(reachedStore(emulator))
  t.notOk(log().some(({ msg }) => msg === 'request'))
})

t.test('a request of a named page: it may read every response, and has no more rights than others', async (t) => {
  const { proxy, emulator } = await startServed(t, { proxy: { Cors, Clients } })
  const origin = { Origin: viewer, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'cors' }
  const cases: [line: string, headers: Record<string, string>, status: number][] = [
    ['GET /google/studies', login, 200],
    ['HEAD /google/studies', login, 200],
    ['GET /google/studies/1.2.3/metadata', login, 404],
    ['GET /google/studies', {}, 401],
    ['GET /nobody/studies', login, 404],
    ['GET /google/nothing', login, 404],
    ['PUT /google/studies', login, 405],
    ['OPTIONS /google/studies', login, 405],
    ['OPTIONS /google/studies', { ...login, 'Access-Control-Request-Headers': 'x' }, 405],
    ['GET /google/studies?access_token=1', login, 400],
    ['DELETE /google/studies/1.2.3', login, 403],
  ]
  for (const [line, headers, status] of cases) {
    const response = await ask(proxy.url, line, { ...origin, ...headers })
    t.equal(statusOf(response), status, line)
    t.same(allowed(response), [viewer], line)
    t.match(valuesOf(response, 'vary'), [/\bOrigin\b/], line)
    if (status === 405) t.same(valuesOf(response, 'allow'), ['GET,HEAD,POST'], line)
    const exposed = valuesOf(response, 'access-control-expose-headers').join().split(', ')
    for (const name of ['Content-Type', 'Content-Location', 'Location', 'Retry-After', 'Proxy-Status', 'Warning']) {
      t.ok(exposed.includes(name), name)
    }
    t.same(valuesOf(response, 'access-control-allow-credentials'), [], line)
  }
  emulator.faults.add({ target: 'QIDO-RS', status: 503, times: 1, headers: { Vary: 'X-Origin' } })
  const failed = await ask(proxy.url, 'GET /google/studies', { ...origin, ...login })
  t.same([statusOf(failed), allowed(failed), valuesOf(failed, 'vary')], [503, [viewer], ['X-Origin, Origin']])
  emulator.faults.add({ target: 'QIDO-RS', resetBefore: true, times: 1 })
  const reset = await ask(proxy.url, 'GET /google/studies', { ...origin, ...login })
  t.same([statusOf(reset), allowed(reset), valuesOf(reset, 'vary')], [502, [viewer], ['Origin']])
  const tooLarge = await ask(proxy.url, 'GET /google/studies', { ...origin, 'X-Much': 'x'.repeat(20_000) })
  t.same([statusOf(tooLarge), allowed(tooLarge)], [431, []], 'what was never read has no Origin')
  // What becomes unreadable on the way: the connection itself gets the response.
  const chunked = [
    ...Object.entries({
      ...origin,
      ...login,
      'Content-Type': 'multipart/related; type="application/dicom"; boundary=b',
      'Transfer-Encoding': 'chunked',
    }),
  ] as [string, string][]
  const unreadable = await rawRequest(proxy.url, `${bytesOf('POST /google/studies', chunked)}zz\r\n`)
  t.match(unreadable.toString(), /^HTTP\/1\.1 400 .*access-control-allow-origin: https:\/\/viewer\.example\r\n/s)
})

t.test('an upload and a deletion of a named page, where nobody logs in', async (t) => {
  const { url } = await startServed(t, { proxy: { Cors } })
  const stow = stowOf([...syntheticStudy({ instances: 1 })])
  for (const init of [stow, { method: 'DELETE' }, {}]) {
    const path = init === stow ? `${url}studies` : `${url}studies/1.2.3`
    const response = await fetch(path, { ...init, headers: { ...('headers' in init && init.headers), origin: viewer } })
    await response.text()
    t.equal(response.status, init === stow ? 200 : 404)
    t.equal(response.headers.get('access-control-allow-origin'), viewer)
  }
})

const refused: [what: string, headers: Headers][] = [
  ['another', { Origin: 'https://evil.example' }],
  ['null', { Origin: 'null' }],
  ['empty', { Origin: '' }],
  ['a suffix', { Origin: 'https://evil-viewer.example' }],
  ['a host below it', { Origin: 'https://a.viewer.example' }],
  ['a prefix', { Origin: 'https://viewer.example.evil.example' }],
  ['its beginning', { Origin: 'https://viewer' }],
  ['a user name', { Origin: 'https://viewer.example@evil.example' }],
  ['another port', { Origin: 'https://viewer.example:8443' }],
  ['the default port', { Origin: 'https://viewer.example:443' }],
  ['another port of an address', { Origin: 'http://127.0.0.1:3001' }],
  ['another scheme', { Origin: 'http://viewer.example' }],
  ['upper case', { Origin: 'https://Viewer.example' }],
  ['a slash', { Origin: 'https://viewer.example/' }],
  ['a path', { Origin: 'https://viewer.example/x' }],
  ['a trailing dot', { Origin: 'https://viewer.example.' }],
  ['a wildcard', { Origin: '*' }],
  ['a list', { Origin: 'https://viewer.example https://evil.example' }],
  ['a list with a comma', { Origin: 'https://viewer.example, https://viewer.example' }],
  [
    'two, the named one first',
    [
      ['Origin', viewer],
      ['Origin', 'https://evil.example'],
    ],
  ],
  [
    'two, the named one last',
    [
      ['Origin', 'https://evil.example'],
      ['Origin', viewer],
    ],
  ],
]

t.test(
  'any other origin is refused, with login and without, preflight or not, and the log names the setting',
  async (t) => {
    const { proxy, emulator, log } = await startServed(t, {
      proxy: { Cors, Clients, Limits: { RejectedLogRate: 1000 } },
    })
    const asks = { 'Access-Control-Request-Method': 'GET' }
    for (const [what, headers] of refused) {
      const pairs = Array.isArray(headers) ? headers : Object.entries(headers)
      for (const [line, more] of [
        ['OPTIONS /google/studies', asks],
        ['GET /google/studies', login],
        ['GET /google/studies', {}],
        ['DELETE /google/studies/1.2.3', login],
      ] as const) {
        const response = await ask(proxy.url, line, [...pairs, ...Object.entries(more)] as [string, string][])
        t.equal(statusOf(response), 403, `${what}: ${line}`)
        t.match(response.body.toString(), '"code":"cross-origin"', what)
        t.same(namesOf(response), [], what)
        t.same(valuesOf(response, 'vary'), ['Origin'], what)
      }
    }
    t.notOk(reachedStore(emulator), 'not a word to Google')
    const lines = () => log().filter(({ code }) => code === 'cross-origin')
    await eventually('each has a line', () => lines().length === 4 * refused.length)
    const line = {
      level: 'warn',
      status: 403,
      detail: /DicomWebProxy\.Cors\.Origins/,
      reason: 'a page of https://evil.example',
    }
    t.match(lines()[0], line)
    t.notOk(lines().some(({ reason }) => /null|@/.test(String(reason))))
  },
)

t.test('any origin but the named ones is refused, and no variation of theirs passes', async (t) => {
  const request = (origin: string | undefined, host = 'pacs.local:8043') => ({
    method: 'GET',
    headers: { host, ...(origin !== undefined && { origin }) },
    socket: new Socket(),
  })
  const PublicUrl = 'https://pacs.example/google'
  const settings = { publicUrl: PublicUrl, trustedProxies: [], clients: null, corsOrigins: Cors.Origins }
  const cors = new CorsOfGuard(settings)
  const named = new Set([...Cors.Origins, 'https://pacs.example', 'http://pacs.local:8043'])
  const isRead = (origin: string) => {
    const headers = cors.headersFor(request(origin))
    let isChecked = true
    try {
      cors.check(request(origin))
    } catch {
      isChecked = false
    }
    if (isChecked !== (headers !== null)) throw new Error('One of both lets it in.')
    return headers?.['access-control-allow-origin'] === origin
  }
  for (const origin of named) t.ok(isRead(origin), origin)
  const affix = fc.oneof(
    fc.constantFrom('.', '/', ':443', ':80', ',', ' ', '@', '%00', '#', '?', '*', 'evil', '\\'),
    fc.string(),
  )
  const near = fc.tuple(affix, fc.constantFrom(...named), affix, fc.nat()).map(([before, origin, after, at]) => {
    const cut = at % origin.length
    return [
      before + origin,
      origin + after,
      origin.slice(0, cut) + after + origin.slice(cut),
      origin.slice(0, cut),
      origin.slice(cut),
      origin.replace('://', `://${before}.`),
      origin.replace('://', `://${before}@`),
      `${origin}, ${origin}`,
      origin.toUpperCase(),
    ]
  })
  let tried = 0
  fc.assert(
    fc.property(
      fc.oneof(
        { weight: 8, arbitrary: near },
        fc.webUrl().map((url) => [url]),
        fc.string().map((text) => [text]),
      ),
      (all) => {
        tried += all.length
        return all.every((origin) => isRead(origin) === named.has(origin))
      },
    ),
    { numRuns: 1_000 },
  )
  t.ok(tried > 1_000)
})

t.test('what has no Origin, and the origins of the proxy itself', async (t) => {
  const PublicUrl = 'https://pacs.example/google'
  const { proxy, reload } = await startServed(t, { proxy: { Cors, Clients, PublicUrl } })
  const statusFor = async (headers: Record<string, string>, host?: string) =>
    statusOf(await ask(proxy.url, 'GET /google/studies', { ...login, ...headers }, host))
  t.equal(await statusFor({}), 200, 'Orthanc and scripts')
  t.equal(await statusFor({ 'Sec-Fetch-Site': 'none' }), 200, 'typed by a person')
  t.equal(await statusFor({ 'Sec-Fetch-Site': 'cross-site' }), 403, 'an image, also of a named page')
  t.equal(await statusFor({ Origin: 'https://pacs.example' }), 200, 'PublicUrl')
  t.equal(await statusFor({ Origin: 'http://pacs.local:81' }, 'pacs.local:81'), 200, 'its own')
  t.equal(await statusFor({ Origin: 'http://pacs.local' }, 'pacs.local:81'), 403, 'its own at another port')
  t.equal(await statusFor({ Origin: 'https://pacs.local:81' }, 'pacs.local:81'), 403, 'its own by another scheme')

  await reload({ proxy: { Clients, Cors: { Origins: ['https://other.example'] } } })
  t.equal(await statusFor({ Origin: 'https://other.example' }), 200, 'named by a reload')
  t.equal(await statusFor({ Origin: viewer }), 403, 'named no more')
  t.equal(await statusFor({ Origin: 'https://pacs.example' }), 403, 'PublicUrl no more')
})

t.test('the origin that a trusted proxy in front forwards, where clients log in', async (t) => {
  const { proxy, reload } = await startServed(t, { proxy: { Clients, TrustedProxies: ['127.0.0.0/8'] } })
  const statusFor = async (Origin: string, headers: Record<string, string>, method = 'GET') =>
    statusOf(await ask(proxy.url, `${method} /google/studies`, { ...login, Origin, ...headers }, 'upstream'))
  const forwarded = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'pacs.example' }
  const standard = { Forwarded: 'for=192.0.2.1;proto=https;host="pacs.example:8443"' }
  const asking = { 'Access-Control-Request-Method': 'GET' }
  t.equal(await statusFor('https://pacs.example', forwarded), 200)
  t.equal(await statusFor('https://pacs.example:8443', standard), 200)
  t.equal(await statusFor('https://pacs.example', { ...forwarded, ...asking }, 'OPTIONS'), 204)
  t.equal(await statusFor('http://upstream', {}), 200, 'nothing is forwarded')
  for (const [origin, headers] of [
    ['http://pacs.example', forwarded],
    ['https://pacs.example:8443', forwarded],
    ['https://pacs.example', standard],
    ['https://pacs.example', {}],
    ['https://pacs.example', { 'X-Forwarded-Host': 'pacs.example' }],
    ['https://evil.example', forwarded],
    ['https://evil.example', { ...forwarded, 'X-Forwarded-Host': 'evil.example, pacs.example' }],
    ['null', { ...forwarded, 'X-Forwarded-Host': 'null' }],
    ['https://pacs.example', { ...forwarded, 'X-Forwarded-Host': 'u@pacs.example' }],
  ] as const) {
    t.equal(await statusFor(origin, headers), 403, `${origin} by ${JSON.stringify(headers)}`)
    t.equal(await statusFor(origin, { ...headers, ...asking }, 'OPTIONS'), 403)
  }
  await reload({ proxy: { Clients, TrustedProxies: ['192.0.2.0/24'] } })
  t.equal(await statusFor('https://pacs.example', forwarded), 403, 'another one is trusted')
  // Where nobody logs in, a page at a name that was pointed to the proxy in front is another page.
  await reload({ proxy: { TrustedProxies: ['127.0.0.0/8'] } })
  const rebound = { Origin: 'http://evil.example', 'X-Forwarded-Proto': 'http', 'X-Forwarded-Host': 'evil.example' }
  t.equal(statusOf(await ask(proxy.url, 'GET /google/studies', rebound, '127.0.0.1')), 403)
})

t.test('many preflights on one connection, and one that is no valid request', async (t) => {
  const { proxy } = await startServed(t, { proxy: { Cors, Clients } })
  const one = bytesOf('OPTIONS /google/studies', preflight(viewer))
  const all = one.replace('Connection: close\r\n', '').repeat(5) + one
  const { messages } = readMessages(await rawRequest(proxy.url, all))
  t.same(messages.map(statusOf), Array(6).fill(204))
  const twoHosts = one.replace('Host: localhost\r\n', 'Host: localhost\r\nHost: evil\r\n')
  t.match((await rawRequest(proxy.url, twoHosts)).toString(), /^HTTP\/1\.1 400 .*"code":"malformed-request"/s)
  const withBody = one.replace('Connection:', 'Content-Length: 3\r\nConnection:')
  t.match((await rawRequest(proxy.url, `${withBody}abc`)).toString(), /^HTTP\/1\.1 204 /)
})

t.test('each way to log in: the page’s origin decides first, and a login changes nothing', async (t) => {
  const token = randomBytes(32).toString('base64url')
  const both = { ...Clients, script: { TokenDigest: digestOf(token), Accounts: { google: ['QIDO-RS'] } } }
  const { proxy, emulator } = await startServed(t, { proxy: { Cors, Clients: both } })
  const bearer = { Authorization: `Bearer ${token}` }
  for (const [headers, status] of [
    [login, 200],
    [bearer, 200],
    [basic('viewer', 'wrong'), 401],
    [{ Authorization: 'Bearer unknown' }, 401],
    [{}, 401],
  ] as const) {
    const before = emulator.log.length
    const named = await ask(proxy.url, 'GET /google/studies', { ...headers, Origin: viewer })
    t.same([statusOf(named), allowed(named)], [status, [viewer]])
    const foreign = await ask(proxy.url, 'GET /google/studies', { ...headers, Origin: 'https://evil.example' })
    t.same([statusOf(foreign), namesOf(foreign)], [403, []])
    t.equal(
      emulator.log.slice(before).filter(({ target }) => target.includes('dicomWeb')).length,
      status === 200 ? 1 : 0,
    )
  }
  // A form or script of a foreign page can send these without a preflight.
  for (const type of ['text/plain', 'multipart/form-data; boundary=b', 'application/x-www-form-urlencoded']) {
    for (const path of ['/google/studies', '/google/studies/1.2.3']) {
      const headers = { ...login, Origin: 'https://evil.example', 'Content-Type': type, 'Content-Length': '0' }
      t.equal(statusOf(await ask(proxy.url, `POST ${path}`, headers)), 403, `${type} ${path}`)
    }
  }
})

t.test('over TLS', needsOpenssl(), async (t) => {
  const authority = makeAuthority(t)
  const { certificate, key } = authority.issue()
  const { proxy } = await startServed(t, { proxy: { Cors, Clients, Tls: { Certificate: certificate, Key: key } } })
  const { port, host } = new URL(proxy.url)
  const over = (line: string, headers: Headers) =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ port: Number(port), ca: authority.cert, host: '127.0.0.1' })
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.once('end', () => resolve(text))
      socket.once('error', reject)
      socket.write(bytesOf(line, headers, host))
    })
  const grant = /\r\naccess-control-allow-origin: https:\/\/viewer\.example\r\n/
  t.match(await over('OPTIONS /google/studies', preflight(viewer)), /^HTTP\/1\.1 204 /)
  const read = await over('GET /google/studies', { ...login, Origin: viewer })
  t.match(read, /^HTTP\/1\.1 200 /)
  t.match(read, grant)
  t.match(await over('GET /google/studies', { ...login, Origin: proxy.url }), /^HTTP\/1\.1 200 /, 'its own')
  for (const origin of [
    'null',
    'https://evil.example',
    `${viewer}.evil.example`,
    `${viewer}:443`,
    viewer.replace('https', 'http'),
  ]) {
    for (const line of ['OPTIONS /google/studies', 'GET /google/studies', 'DELETE /google/studies/1.2.3']) {
      const refused = await over(line, { ...preflight(origin), ...login })
      t.match(refused, /^HTTP\/1\.1 403 .*"code":"cross-origin"/s, `${line} of ${origin}`)
      t.notMatch(refused, /access-control-/i)
    }
  }
  const plain = proxy.url.replace('https:', 'http:')
  t.match(await over('GET /google/studies', { ...login, Origin: plain }), /^HTTP\/1\.1 403 /)
})
