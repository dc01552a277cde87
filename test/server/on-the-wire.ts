import type { Test } from 'tap'
import { type Message, readMessages, valuesOf } from '../helpers/messages.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'
import { brief, startWireUpstream } from '../helpers/wire-upstream.ts'

/**
 * A request as bytes, and what becomes of it:
 * - `400`: refused with this status, and the connection closed; `400 next`: it goes on;
 * - `POST /studies abc`: reaches Google so, and the connection goes on; with `, last` it does not;
 * - empty: the connection closes without a word.
 */
export type WireCase = readonly [name: string, bytes: string, expected: string]

export const host = 'Host: localhost\r\n'
export const get = (headers: string, target = '/google/studies', method = 'GET', version = 'HTTP/1.1') =>
  `${method} ${target} ${version}\r\n${host}${headers}\r\n`
export const post = (headers: string, body: string) => `POST /google/studies HTTP/1.1\r\n${host}${headers}\r\n${body}`

/**
 * Sends each request, and one more right behind it: what that one tells is whether the connection
 * is still good, and that nothing between the two was taken for a request. Google's place is taken
 * by a reader that forgives nothing.
 */
export async function holds(t: Test, cases: readonly WireCase[]): Promise<void> {
  const upstream = await startWireUpstream(t)
  const { proxy } = await startServed(t, { baseUrl: upstream.baseUrl, proxy: { DeletionWait: 0 } })
  for (const [at, [name, bytes, expected]] of cases.entries()) {
    upstream.clear()
    const next = `GET /series?offset=${at}`
    const probe = get('Connection: close\r\n', next.replace('GET /', '/google/'))
    const bytesReceived = await rawRequest(proxy.url, Buffer.from(bytes + probe, 'latin1'))
    const { messages, rest } = readMessages(bytesReceived, (place) => place === 0 && bytes.startsWith('HEAD'))
    const { responses, forwarded } = expectation(expected, next)
    t.same(messages.filter(({ start }) => !start.includes(' 100 ')).map(summaryOf), responses, `${name}: the responses`)
    t.same(upstream.requests.map(brief), forwarded, `${name}: what reached Google`)
    t.same(upstream.oddities, [], 'and nothing else')
    t.equal(rest.length, 0)
  }
}

function expectation(expected: string, next: string): { responses: string[]; forwarded: string[] } {
  const [first = '', then] = expected.split(/, | (?=next$)/)
  if (/^\d*$/.test(first)) {
    const responses = first === '' ? [] : [first]
    return then === 'next' ? { responses: [...responses, next], forwarded: [next] } : { responses, forwarded: [] }
  }
  const all = then === 'last' ? [first] : [first, next]
  return { responses: all, forwarded: all }
}

/** The status of a rejection; else the body, which repeats the request that Google got. */
function summaryOf(response: Message): string {
  if (!valuesOf(response, 'content-type')[0]?.includes('problem')) return response.body.toString('latin1')
  return response.start.split(' ')[1] ?? ''
}
