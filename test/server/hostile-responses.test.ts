import t from 'tap'
import { readMessages, valuesOf } from '../helpers/messages.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'
import { echo, startWireUpstream } from '../helpers/wire-upstream.ts'

// Each test has a proxy of its own, and waits most of the time.
t.jobs = 3

const ok = 'HTTP/1.1 200 OK\r\n'
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`
const three = 'Content-Length: 3\r\n\r\nabc'
/** A whole response that nobody has requested. */
const poison = `${ok}Content-Length: 6\r\n\r\npoison`

/**
 * A response in place of Google's, and what the client gets: a body, `502`, or a response that is
 * `broken` off.
 */
type Hostile = readonly [name: string, response: string, expected: string]

const whole: readonly Hostile[] = [
  ['more than its length', `${ok}${three}def`, 'abc'],
  ['another response after it', `${ok}${three}${poison}`, 'abc'],
  ['two others behind it', `${ok}${three}${poison}${poison}`, 'abc'],
  ['another behind chunks', `${chunked}3\r\nabc\r\n0\r\n\r\n${poison}`, 'abc'],
  ['another behind nothing', `${ok}Content-Length: 0\r\n\r\n${poison}`, ''],
  ['204 with a body', 'HTTP/1.1 204 No Content\r\n\r\nabc', ''],
  ['204 with a length', `HTTP/1.1 204 No Content\r\n${three}`, ''],
  ['304 with another response', `HTTP/1.1 304 Not Modified\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`, ''],
  ['an extension of a chunk', `${chunked}3;a=b\r\nabc\r\n0\r\n\r\n`, 'abc'],
  ['a trailer', `${chunked}3\r\nabc\r\n0\r\nETag: x\r\nSet-Cookie: a\r\n\r\n`, 'abc'],
  ['a few informational responses', `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(9)}${ok}${three}`, 'abc'],
  ['an upgrade offered', `${ok}Connection: upgrade\r\nUpgrade: h2c\r\n${three}`, 'abc'],
]

const invalid: readonly Hostile[] = [
  ['a length and chunks', `${ok}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`, '502'],
  ['chunks and a length', `${ok}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n`, '502'],
  ['two lengths', `${ok}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, '502'],
  ['two equal lengths', `${ok}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, '502'],
  ...['3, 3', '+3', '-3', '0x3', '', '3 3', '18446744073709551619'].map(
    (length): Hostile => [`length ${JSON.stringify(length)}`, `${ok}Content-Length: ${length}\r\n\r\nabc`, '502'],
  ),
  ...[
    'identity',
    'xchunked',
    'gzip',
    'gzip, chunked',
    'chunked, identity',
    'chunked\r\nTransfer-Encoding: chunked',
  ].map(
    (coding): Hostile => [`coding ${coding}`, `${ok}Transfer-Encoding: ${coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n`, '502'],
  ),
  ['no length', `${ok}\r\nabc`, '502'],
  ...[
    'ETag: a\nX: b',
    'ETag: a\rX: b',
    'ETag: a\0b',
    'ET\0ag: a',
    'ETag: a\x01',
    'ETag: a\r\n b',
    'ETag : a',
    'ETag',
  ].map((header): Hostile => [`header ${JSON.stringify(header)}`, `${ok}${header}\r\n${three}`, '502']),
  ['bare LF everywhere', 'HTTP/1.1 200 OK\nContent-Length: 3\n\nabc', '502'],
  ['a folded length', `${ok}Content-Length:\r\n 3\r\n\r\nabc`, '502'],
  ['101', `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n${poison}`, '502'],
  ['101 without an upgrade', `HTTP/1.1 101 Switching Protocols\r\n\r\n${poison}`, '502'],
  ['endless informational responses', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20_000), '502'],
  ['100000 headers', `${ok}${'a: b\r\n'.repeat(100_000)}${three}`, '502'],
  ['a header of a million', `${ok}ETag: ${'a'.repeat(1_000_000)}\r\n${three}`, '502'],
  ...['99', '000', '1000', '20', '-20', 'abc', ''].map(
    (status): Hostile => [`status ${status}`, `HTTP/1.1 ${status} X\r\n${three}`, '502'],
  ),
  ['HTTP/0.9', 'abc', '502'],
  ['ICY', `ICY 200 OK\r\n${three}`, '502'],
  ['SSH', 'SSH-2.0-OpenSSH_9\r\n', '502'],
  ['an alert of TLS', '\x15\x03\x01\x00\x02\x02\x0a', '502'],
  ['something before it', `x${ok}${three}`, '502'],
]

const cut: readonly Hostile[] = [
  ['less than its length', `${ok}Content-Length: 10\r\n\r\nabc`, 'broken'],
  ['a length beyond all', `${ok}Content-Length: 9007199254740991\r\n\r\nabc`, 'broken'],
  ...['+3', '-3', '0x3', '3_', '3 ', '10000000000000003', '', 'g', '3\0'].map(
    (size): Hostile => [`size ${JSON.stringify(size)}`, `${chunked}${size}\r\nabc\r\n0\r\n\r\n`, 'broken'],
  ),
  ['no end of a chunk', `${chunked}3\r\nabc0\r\n\r\n`, 'broken'],
  ['bare LF in chunks', `${chunked}3\nabc\n0\n\n`, 'broken'],
  ['a chunk larger than its size', `${chunked}2\r\nabc\r\n0\r\n\r\n`, 'broken'],
  ['a trailer that is a response', `${chunked}3\r\nabc\r\n0\r\n${poison}`, 'broken'],
  ['a trailer with a length', `${chunked}3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n`, 'broken'],
]

for (const method of ['GET', 'DELETE', 'POST']) {
  t.test(`responses to ${method}`, async (t) => {
    let hostile = ''
    const upstream = await startWireUpstream(t, (request) =>
      request.start.includes('/studies/6.6') ? Buffer.from(hostile, 'latin1') : echo(request),
    )
    // What waits for more than came is given up soon.
    const { proxy } = await startServed(t, {
      baseUrl: upstream.baseUrl,
      proxy: { Timeouts: { Idle: 1, Response: 1 }, DeletionWait: 0 },
    })
    const ask = (study: string) => outcomeOf(proxy.url, method, study)
    let asked = 0
    for (const [name, response, expected] of [...whole, ...invalid, ...cut]) {
      hostile = response
      const outcome = await ask('6.6')
      if (expected === 'broken') t.match(outcome, /^broken$|^502$/, name)
      else t.equal(outcome, expected, name)
      const studies = [1, 2, 3].map(() => `9.${asked++}`)
      const [first = '', ...others] = studies
      const responses = [await ask(first), ...(await Promise.all(others.map(ask)))]
      const own = studies.map((study) => `${method} /studies/${study}${method === 'POST' ? ' abc' : ''}`)
      t.same(responses, own, 'each request after it gets its own response')
    }
    t.same(upstream.oddities, [])
  })
}

/** The complete body, 502, or `broken` for a response that broke off. */
async function outcomeOf(url: string, method: string, study: string): Promise<string> {
  const body = method === 'POST' ? 'Content-Length: 3\r\n\r\nabc' : '\r\n'
  const head = `${method} /google/studies/${study} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n`
  const bytes = await rawRequest(url, head + body).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET') throw error
    return Buffer.alloc(0)
  })
  const { messages, rest } = readMessages(bytes)
  const [response, ...more] = messages
  if (more.length > 0) throw new Error('Two responses to one request')
  if (!response || rest.length > 0) return 'broken'
  const isOwn = valuesOf(response, 'proxy-status').length > 0
  return isOwn ? (response.start.split(' ')[1] ?? '') : response.body.toString('latin1')
}
