import { createServer } from 'node:http'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// A success by its status alone, or only a part of what was requested, was an info line without a
// word.

const json = { 'content-type': 'application/dicom+json' }
const html = { 'content-type': 'text/html; charset=utf-8' }
const multipart = { 'content-type': 'multipart/related; type="application/dicom"; boundary=b' }
const warning = { warning: '299 Doe^John "1 of 3 instances could not be retrieved"' }
const page = '<html>log in, Doe^John</html>'
const referenced = '{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2.3"]}}]}}'
const webPage = /^The response is a web page, .* Check BaseUrl and the outgoing proxy\./
const unknown =
  / the proxy can read no stored instance in it\. Search for the instances before you delete them anywhere\.$/

type Response = [status: number, headers: Record<string, string>, body: string]

const doubtful: [what: string, method: string, path: string, response: Response, detail: RegExp][] = [
  ['an upload that names no instance', 'POST', 'studies', [200, json, '{}'], unknown],
  ['an empty one', 'POST', 'studies', [200, json, ''], unknown],
  ['without a type', 'POST', 'studies', [200, {}, ''], unknown],
  ['with empty sequences', 'POST', 'studies', [200, json, '{"00081199":{"vr":"SQ"}}'], unknown],
  ['cut JSON', 'POST', 'studies', [200, json, referenced.slice(0, -2)], unknown],
  ['without content', 'POST', 'studies', [204, {}, ''], unknown],
  ['accepted', 'POST', 'studies', [202, json, '{}'], unknown],
  ['a web page', 'POST', 'studies', [200, html, page], webPage],
  ['a web page instead of a search', 'GET', 'studies', [200, html, page], webPage],
  ['of a study', 'GET', 'studies/1.2.3', [200, html, page], webPage],
  ['of a deleted instance', 'DELETE', 'studies/1.2/series/1.3/instances/1.4', [200, html, page], webPage],
  [
    'a part of a study',
    'GET',
    'studies/1.2.3',
    [206, multipart, '--b--'],
    /^The response is a part of what was requested/,
  ],
  [
    'with a warning',
    'GET',
    'studies/1.2.3',
    [206, { ...multipart, ...warning }, '--b--'],
    /^The response has a Warning header/,
  ],
  [
    'whole, with a warning',
    'GET',
    'studies/1.2.3',
    [200, { ...multipart, ...warning }, '--b--'],
    /^The response has a Warning header/,
  ],
  [
    'a search with a warning',
    'GET',
    'studies',
    [200, { ...json, ...warning }, '[]'],
    /^The response has a Warning header/,
  ],
  ['a redirect', 'GET', 'studies', [302, { location: '/login' }, ''], /^The response is a redirect \(302\)/],
  [
    'a search by wildcard that finds nothing',
    'GET',
    'studies?PatientName=Doe*',
    [204, html, ''],
    /^Nothing was found, but Google does not support this search: PatientName has a wildcard/,
  ],
]
const fine: [what: string, method: string, path: string, response: Response][] = [
  ['an upload', 'POST', 'studies', [200, json, referenced]],
  ['an empty search', 'GET', 'studies', [204, html, '']],
  ['a search', 'GET', 'studies', [200, json, '[]']],
  ['a study', 'GET', 'studies/1.2.3', [200, multipart, '--b--']],
  [
    'a range',
    'GET',
    'studies/1.2/series/1.3/instances/1.4',
    [206, { 'content-type': 'application/dicom', 'content-range': 'bytes 0-3/9' }, 'DICM'],
  ],
  [
    'ranges',
    'GET',
    'studies/1.2/series/1.3/instances/1.4',
    [206, { 'content-type': 'multipart/byteranges; boundary=b' }, '--b--'],
  ],
  ['what has not changed', 'GET', 'studies/1.2.3', [304, {}, '']],
  ['a search by wildcard that finds something', 'GET', 'studies?PatientName=Doe*', [200, json, '[{}]']],
]

t.test('a doubtful success passes, and is a warning', async (t) => {
  let response: Response = [200, {}, '']
  const google = createServer((request, reply) => {
    request.resume().on('end', () => {
      const [status, headers, body] = response
      const length = status === 204 || status === 304 ? {} : { 'content-length': Buffer.byteLength(body) }
      reply.writeHead(status, { ...headers, ...length }).end(body)
    })
  })
  const { url, log } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const lines = () => log().filter(({ msg }) => msg === 'request')

  async function exchange(method: string, path: string) {
    const { length } = lines()
    const body = method === 'POST' ? { body: 'x', headers: { 'content-type': 'application/dicom' } } : {}
    const received = await fetch(url + path, { method, redirect: 'manual', ...body })
    const text = await received.text()
    await eventually('it is in the log', () => lines().length > length)
    return { status: received.status, text, line: lines().at(-1) ?? {} }
  }

  for (const [what, method, path, sent, detail] of doubtful) {
    response = sent
    const { status, text, line } = await exchange(method, path)
    if (sent[0] !== 204 || method === 'POST') t.same([status, text], [sent[0], sent[2]], `${what} passes as it is`)
    t.match(line, { level: 'warn', status: sent[0], code: undefined, detail }, what)
  }
  for (const [what, method, path, sent] of fine) {
    response = sent
    const { line } = await exchange(method, path)
    t.match(line, { level: 'info', status: sent[0], detail: undefined }, what)
  }
  t.notMatch(JSON.stringify(log()), /Doe/)
})
