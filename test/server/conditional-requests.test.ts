import { createServer, type IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const etag = '"a1b2"'
const modified = 'Wed, 25 Nov 2026 10:00:00 GMT'
const caching = {
  etag,
  'last-modified': modified,
  'cache-control': 'private, max-age=60',
  expires: 'Wed, 25 Nov 2026 10:01:00 GMT',
}
const body = '0123456789'

/** Responds as a server does that knows conditional requests and ranges (RFC 9110 13, 14). */
function google(received: IncomingHttpHeaders[]) {
  return createServer(({ headers, method }, response) => {
    received.push(headers)
    for (const [name, value] of Object.entries(caching)) response.setHeader(name, value)
    if (headers['if-none-match'] === etag || headers['if-modified-since'] === modified) {
      response.writeHead(304).end()
    } else if (headers['if-match'] !== undefined && headers['if-match'] !== etag) {
      response.writeHead(412, { 'content-length': 0 }).end()
    } else if (headers.range === 'bytes=2-4') {
      response.writeHead(206, {
        'content-range': 'bytes 2-4/10',
        'content-type': 'application/octet-stream',
        'content-length': 3,
      })
      response.end(method === 'HEAD' ? undefined : body.slice(2, 5))
    } else if (headers.range !== undefined) {
      response.writeHead(416, { 'content-range': 'bytes */10', 'content-length': 0 }).end()
    } else {
      response.writeHead(200, {
        'accept-ranges': 'bytes',
        'content-type': 'application/octet-stream',
        'content-length': 10,
      })
      response.end(method === 'HEAD' ? undefined : body)
    }
  })
}

const frame = 'studies/1.2/series/1.3/instances/1.4/frames/1'

t.test('conditions, ranges and what caches need pass both ways', async (t) => {
  const received: IncomingHttpHeaders[] = []
  const { url, log } = await startServed(t, { baseUrl: await listenOn(t, google(received)) })
  const range = { range: 'bytes=2-4' }
  const cases: [what: string, headers: Record<string, string>, status: number, body: string, more?: object][] = [
    ['nothing asked', {}, 200, body, { 'accept-ranges': 'bytes' }],
    ['If-None-Match, the same', { 'if-none-match': etag }, 304, ''],
    ['If-None-Match, another', { 'if-none-match': '"x", W/"y"' }, 200, body],
    ['If-Modified-Since', { 'if-modified-since': modified }, 304, ''],
    ['If-Match', { 'if-match': '"x"' }, 412, ''],
    ['Range', range, 206, '234', { 'content-range': 'bytes 2-4/10', 'content-length': '3' }],
    ['If-Range', { ...range, 'if-range': etag }, 206, '234'],
    ['Range, beyond the end', { range: 'bytes=20-' }, 416, '', { 'content-range': 'bytes */10' }],
    ['If-Unmodified-Since', { 'if-unmodified-since': modified, 'cache-control': 'no-cache' }, 200, body],
  ]
  for (const [what, headers, status, expected, more] of cases) {
    const response = await fetch(`${url}${frame}`, { headers })
    t.equal(response.status, status, what)
    t.equal(await response.text(), expected, what)
    t.match(received.at(-1), headers, `${what}: at Google`)
    t.match(Object.fromEntries(response.headers), { ...caching, ...more }, `${what}: to the client`)
  }
  const head = await fetch(`${url}${frame}`, { method: 'HEAD', headers: range })
  t.same([head.status, head.headers.get('content-range')], [206, 'bytes 2-4/10'])
  const lines = log().filter(({ msg, status }) => msg === 'request' && status === 304)
  t.same(
    lines.map(({ level }) => level),
    ['info', 'info'],
    'what has not changed is no failure',
  )
})

t.test('an instance, a value and an image in parts, if Google has ranges', async (t) => {
  const { url, emulator } = await startServed(t)
  emulator.behave({ ranges: 'served' })
  const [instance] = syntheticStudy({ instances: 1 })
  if (!instance) throw new Error('an instance is needed')
  await (await fetch(`${url}studies`, stowOf([instance]))).text()
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, bytes } = instance
  const path = `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
  const parts: Buffer[] = []
  for (const range of ['bytes=0-999', 'bytes=1000-']) {
    const response = await fetch(url + path, { headers: { accept: 'application/dicom; transfer-syntax=*', range } })
    t.equal(response.status, 206, range)
    parts.push(Buffer.from(await response.arrayBuffer()))
  }
  t.ok(Buffer.concat(parts).equals(bytes), 'a download that is taken up again')
  for (const [resource, accept] of [
    ['bulkdata/7FE00010', 'application/octet-stream'],
    ['rendered', 'image/png'],
    ['thumbnail', 'image/png'],
  ] as const) {
    const response = await fetch(`${url}${path}/${resource}`, { headers: { accept, range: 'bytes=0-7' } })
    t.match([response.status, response.headers.get('content-range')], [206, /^bytes 0-7\/\d+$/], resource)
    t.equal((await response.arrayBuffer()).byteLength, 8)
  }
  const beyond = await fetch(`${url}${path}/rendered`, { headers: { accept: 'image/png', range: 'bytes=9999999-' } })
  t.match([beyond.status, beyond.headers.get('content-range')], [416, /^bytes \*\/\d+$/])
  await beyond.text()
})
