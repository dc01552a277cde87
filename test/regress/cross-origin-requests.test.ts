import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { basic, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

// Any page of the web could have a browser on this machine send requests to the anonymous listener
// on loopback: six of six ways (img, script, form, fetch without CORS, …) reached Google with our
// token.

type Headers = Record<string, string>

async function ask(url: string, line: string, headers: Headers, body = ''): Promise<string> {
  const { host } = new URL(url)
  const all = { host, ...headers, connection: 'close', ...(body && { 'content-length': String(body.length) }) }
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return (await rawRequest(url, `${line} HTTP/1.1\r\n${head.join('')}\r\n${body}`)).toString()
}

const image = { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }
const form = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'content-type': 'text/plain' }
/** As browsers send them, from a page on another site unless said otherwise. */
const foreign: [what: string, line: string, headers: Headers, body?: string][] = [
  ['an image', 'GET /google/studies/1.2.3/rendered', { ...image, 'sec-fetch-site': 'cross-site' }],
  ['an image of another port', 'GET /google/studies/1.2.3/rendered', { ...image, 'sec-fetch-site': 'same-site' }],
  ['a form', 'POST /google/studies', { ...form, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, 'x'],
  ['a form in a sandboxed frame', 'POST /google/studies', { ...form, origin: 'null' }, 'x'],
  ['a form of an old browser', 'POST /google/studies', { origin: 'http://evil.example' }, 'x'],
  ['a link', 'GET /google/studies', { ...form, 'sec-fetch-site': 'cross-site' }],
  ['another scheme', 'GET /google/studies', { origin: 'https://localhost:8043', host: 'localhost:8043' }],
  ['another port', 'DELETE /google/studies/1.2.3', { origin: 'http://127.0.0.1:1' }],
  ['a preflight', 'OPTIONS /google/studies', { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' }],
  ['a value that no browser sends', 'GET /google/studies', { 'sec-fetch-site': 'same-origin, cross-site' }],
]

t.test('where nobody logs in, no page of another origin reaches Google', async (t) => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const options = { PublicUrl: 'https://pacs.example/google', Audit: { File: file } }
  const { proxy, emulator, log } = await startServed(t, { proxy: options })
  for (const [what, line, headers, body] of foreign) {
    const response = await ask(proxy.url, line, headers, body)
    t.match(response, /^HTTP\/1\.1 403 .*"code":"cross-origin"/s, what)
  }
  t.notOk(emulator.log.some(({ target }) => target.includes('dicomWeb')))
  const lines = () => log().filter(({ msg, code }) => msg === 'request' && code === 'cross-origin')
  await eventually('each has a line', () => lines().length === foreign.length)
  t.match(lines()[0], { level: 'warn', status: 403, layer: 'client', address: '127.0.0.1', attempts: 0 })
  const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
  t.match(metrics, `rejected_total{reason="cross-origin"} ${foreign.length}\n`)
  const records = (await readFile(file, 'utf8')).trim().split('\n')
  t.equal(records.filter((record) => JSON.parse(record).code === 'cross-origin').length, foreign.length)
})

t.test('Orthanc, scripts, and pages of the same origin reach it as before', async (t) => {
  const { proxy } = await startServed(t, { proxy: { PublicUrl: 'https://pacs.example/google' } })
  const own: [what: string, headers: Headers][] = [
    ['no such header', {}],
    ['typed by a person', { 'sec-fetch-site': 'none' }],
    ['a page of the same origin', { 'sec-fetch-site': 'same-origin', origin: proxy.url }],
    ['the name that the request has', { origin: 'http://localhost', host: 'localhost:80' }],
    ['the origin of PublicUrl', { 'sec-fetch-site': 'same-origin', origin: 'https://pacs.example' }],
  ]
  for (const [what, headers] of own) {
    t.match(await ask(proxy.url, 'GET /google/studies', headers), /^HTTP\/1\.1 200 /, what)
  }
})

t.test('over TLS the origin is one of https', needsOpenssl(), async (t) => {
  const authority = makeAuthority(t)
  const { certificate, key } = authority.issue()
  const { proxy } = await startServed(t, { proxy: { Tls: { Certificate: certificate, Key: key } } })
  const { Agent, fetch } = await import('undici')
  const dispatcher = new Agent({ connect: { ca: authority.cert } })
  t.teardown(() => dispatcher.close())
  const statusFor = async (origin: string) => {
    const response = await fetch(`${proxy.url}/google/studies`, { headers: { origin }, dispatcher })
    await response.text()
    return response.status
  }
  t.equal(await statusFor(proxy.url), 200)
  t.equal(await statusFor(proxy.url.replace('https:', 'http:')), 403)
})

t.test('a client that logs in, maybe by a password that its browser remembers, is asked all the same', async (t) => {
  const Clients = { viewer: { PasswordHash: hashOf('correct horse'), Accounts: { google: ['QIDO-RS'] } } }
  const { proxy, emulator } = await startServed(t, { proxy: { Clients } })
  const login = basic('viewer', 'correct horse')
  for (const [what, line, headers, body] of foreign) {
    const response = await ask(proxy.url, line, { ...headers, ...login }, body)
    t.match(response, /^HTTP\/1\.1 403 .*"code":"cross-origin"/s, what)
  }
  t.notOk(emulator.log.some(({ target }) => target.includes('dicomWeb')))
  t.match(await ask(proxy.url, 'GET /google/studies', login), /^HTTP\/1\.1 200 /, 'Orthanc and scripts')
})

t.test('the admin listener: what a person opens, and nothing that a page of another origin asks for', async (t) => {
  const { proxy } = await startServed(t)
  const url = proxy.adminUrl ?? ''
  const crossSite = { 'sec-fetch-site': 'cross-site' }
  for (const path of ['/', '/page.js', '/api/status', '/api/events', '/metrics']) {
    const refused = /^HTTP\/1\.1 403 .*"code":"cross-origin"/s
    t.match(await ask(url, `GET ${path}`, { ...image, ...crossSite }), refused, path)
    t.match(await ask(url, `GET ${path}`, { origin: 'https://evil.example' }), refused, path)
    const frame = { ...crossSite, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }
    t.match(await ask(url, `GET ${path}`, frame), refused, path)
  }
  const link = { ...crossSite, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
  t.match(await ask(url, 'GET /', link), /^HTTP\/1\.1 200 /, 'a link to the page')
  t.match(await ask(url, 'GET /', { 'sec-fetch-site': 'none' }), /^HTTP\/1\.1 200 /)
  t.match(await ask(url, 'GET /api/status', { 'sec-fetch-site': 'same-origin' }), /^HTTP\/1\.1 200 /)
  t.match(await ask(url, 'GET /readyz', { ...image, ...crossSite }), /\r\n\r\n\{"ready":(true|false)\}$/, 'no detail')
})
