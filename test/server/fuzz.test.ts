import fc from 'fast-check'
import t from 'tap'
import { type Message, valuesOf } from '../helpers/messages.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { demoAccount, startServed } from '../helpers/served.ts'
import { startWireUpstream } from '../helpers/wire-upstream.ts'

/** Connections of each kind, and requests on each: some thousand requests, in some seconds. */
const connections = 250
const perConnection = 10

const allowed =
  'accept accept-charset accept-encoding accept-language cache-control content-encoding content-language content-length content-type if-match if-modified-since if-none-match if-range if-unmodified-since range'.split(
    ' ',
  )
const foreign =
  'authorization proxy-authorization cookie forwarded x-forwarded-for x-forwarded-host x-real-ip via te trailer keep-alive proxy-connection origin referer user-agent x-goog-user-project x-goog-api-key x-goog-iam-authority-selector x-http-method-override x-original-url traceparent content-location set-cookie x_goog_user_project expect accept- -accept __proto__'.split(
    ' ',
  )
/** Headers that our request needs; the rest is between the proxy and Google. */
const own = ['authorization', 'host', 'user-agent', 'connection', 'transfer-encoding', 'traceparent']

const oddCase = (name: string) =>
  fc.infiniteStream(fc.boolean()).map((ups) => [...name].map((c) => (ups.next().value ? c.toUpperCase() : c)).join(''))
const padding = fc.constantFrom('', ' ', '\t', '  ')
const text = fc.stringMatching(/^[!-~\x80-\xff]{0,12}$/)

const allowedLine = fc
  .tuple(fc.constantFrom(...allowed.filter((name) => name !== 'content-length')).chain(oddCase), padding, text)
  .map(([name, space, value]) => `${name}:${space}kind${value}`)
const foreignLine = fc
  .tuple(fc.constantFrom(...foreign).chain(oddCase), padding, text)
  .map(([name, space, value]) => `${name}:${space}malice${value}`)
const connectionLine = fc
  .subarray(['keep-alive', 'authorization', 'x-goog-user-project', 'host', 'user-agent', 'malice', 'te', 'accept'])
  .map((options) => `Connection: ${options.join(', ')}`)
const brokenLine = fc.constantFrom(
  'malice',
  ' malice: x',
  'malice : x',
  'Host: malice',
  'Transfer-Encoding: malice',
  '\0',
)
const line = fc.oneof(
  { weight: 40, arbitrary: allowedLine },
  { weight: 60, arbitrary: foreignLine },
  { weight: 10, arbitrary: connectionLine },
  { weight: 1, arbitrary: brokenLine },
)
const request = fc.record({
  first: fc.constantFrom('GET /A/studies', 'DELETE /A/studies/1.2', 'HEAD /A/series', 'POST /A/studies'),
  account: fc.constantFrom('google', 'billed'),
  lines: fc.array(line, { maxLength: 12 }),
})

t.test('for all header lines, only allowed ones and ours arrive', async (t) => {
  const { upstream, proxy } = await start(t)
  const authorities = new URL(upstream.baseUrl).host
  let arrived = 0
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: perConnection, maxLength: perConnection }), async (requests) => {
      upstream.clear()
      const bytes = requests.map(({ first, account, lines }) => {
        const ends = first.startsWith('POST') ? 'Content-Length: 3\r\n\r\nabc' : '\r\n'
        return `${first.replace('/A/', `/${account}/`)} HTTP/1.1\r\nHost: localhost\r\n${lines.map((each) => `${each}\r\n`).join('')}${ends}`
      })
      await send(proxy.url, bytes)
      arrived += upstream.requests.length
      return upstream.oddities.length === 0 && upstream.requests.every((each) => isClean(each, authorities))
    }),
    { numRuns: connections, verbose: 1 },
  )
  t.comment(`${connections * perConnection} requests with random headers, ${arrived} of them allowed`)
  t.ok(arrived > (connections * perConnection) / 3, `${arrived} arrived`)
})

const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('/', '/google', '/studies', '/series', '/instances', '/1.2', '/metadata', '/dicomWeb'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('?', '&', '=', 'limit', 'PatientName', 'key', 'alt', '%26', '+', ';', '#', "'"),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('..', '.', '%2e', '%2f', '%5c', '\\', '%00', '%0d%0a', '%', '//', '@', ':', ' '),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes).toString('latin1')) },
)
const target = fc.oneof(
  { weight: 2, arbitrary: fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')) },
  { weight: 3, arbitrary: fc.array(piece, { maxLength: 3 }).map((pieces) => `/google/studies${pieces.join('')}`) },
  {
    weight: 3,
    arbitrary: fc.webQueryParameters().map((query) => `/google/studies?PatientName=${encodeURIComponent(query)}`),
  },
)

t.test('for every target, what arrives is below the store', async (t) => {
  const { upstream, proxy } = await start(t)
  let arrived = 0
  await fc.assert(
    fc.asyncProperty(fc.array(target, { minLength: perConnection, maxLength: perConnection }), async (targets) => {
      upstream.clear()
      // Each unreadable one ends its connection, so that what follows must come over another.
      for (const half of [targets.slice(0, perConnection / 2), targets.slice(perConnection / 2)]) {
        await send(
          proxy.url,
          half.map((each) => `GET ${each} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
        )
      }
      arrived += upstream.requests.length
      return upstream.oddities.length === 0 && upstream.requests.every(isBelowStore)
    }),
    { numRuns: connections, verbose: 1 },
  )
  t.comment(`${connections * perConnection} random targets, ${arrived} of them allowed`)
  t.ok(arrived > (connections * perConnection) / 20, `${arrived} arrived`)
})

async function start(t: Test) {
  const upstream = await startWireUpstream(t)
  const accounts = ({ serviceAccountFile }: { serviceAccountFile: string }) => ({
    billed: { ...demoAccount, ServiceAccountFile: serviceAccountFile, QuotaProject: 'payer' },
  })
  return { upstream, ...(await startServed(t, { baseUrl: upstream.baseUrl, accounts })) }
}

type Test = Parameters<typeof startServed>[0]

/**
 * All of them over one connection, and one more that ends it; a connection that is reset ends as
 * well.
 */
async function send(url: string, requests: readonly string[]): Promise<void> {
  const last = 'GET /nobody/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
  await rawRequest(url, Buffer.from(requests.join('') + last, 'latin1')).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error
  })
}

function isClean(request: Message, host: string): boolean {
  const payer = valuesOf(request, 'x-goog-user-project')
  return (
    !/malice/i.test(JSON.stringify(request.headers)) &&
    request.headers.every(([name]) => allowed.includes(name) || own.includes(name) || name === 'x-goog-user-project') &&
    new Set(request.headers.map(([name]) => name)).size === request.headers.length &&
    /^Bearer ya29\.[\w-]+$/.test(valuesOf(request, 'authorization').join()) &&
    valuesOf(request, 'host').join() === host &&
    /^gcp-dicomweb-proxy\//.test(valuesOf(request, 'user-agent').join()) &&
    /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/.test(valuesOf(request, 'traceparent').join()) &&
    (payer.length === 0 || payer.join() === 'payer') &&
    String(request.body) === (request.start.startsWith('POST') ? 'abc' : '')
  )
}

function isBelowStore({ start }: Message): boolean {
  const [, path = '', query = ''] =
    /^GET \/projects\/demo\/locations\/europe-west4\/datasets\/imaging\/dicomStores\/demo\/dicomWeb\/([\w.,~/-]+)(\?[\w.~!()*%+=&-]+)? HTTP\/1\.1$/.exec(
      start,
    ) ?? []
  return path !== '' && !/\/\/|(^|\/)\.+(\/|$)/.test(path) && !/(^|[?&])(key|alt)=/i.test(query)
}
