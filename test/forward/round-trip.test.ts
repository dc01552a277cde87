import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { bodyRewriter, MultipartRewriter } from '../../src/forward/multipart-rewriter.ts'
import type { BodyRewriter, UrlReplacement } from '../../src/forward/url-rewriter.ts'
import { StoreUrls } from '../../src/stores/store-urls.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// Rewriting there, and back by the same code, gives the body that Google sent: so nothing but the
// URLs of the store has changed, however the body is cut into chunks.

/** A proxy whose root has the form of a store's, so that its URLs can be replaced back. */
function storeAt(base: string, project: string) {
  const names = { name: 'a', project, location: 'us', dataset: 'd', dicomStore: 's' }
  const root = `${base}projects/${project}/locations/us/datasets/d/dicomStores/s/dicomWeb`
  return { urls: new StoreUrls(names, base), root }
}

const google = storeAt('https://healthcare.googleapis.com/v1/', 'my-project')
const proxy = storeAt('https://pacs.hospital.example:8043/a/much/longer/way/', 'p')
const there: UrlReplacement = { store: google.urls, to: proxy.root }
const back: UrlReplacement = { store: proxy.urls, to: google.root }

/** URLs that are not the store's, and bytes that only begin like one. */
const others = [
  google.root.replace('/s/', '/s2/'),
  google.root.replace('my-project', 'other-project'),
  `x${google.root}`,
  `${google.root}2`,
  google.root.slice(0, -1),
  google.root.replace('googleapis.com', 'googleapis.com.evil.example'),
  'https://',
  'http',
  'h',
]

const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 300 })), {
  minLength: 1,
  maxLength: 8,
})
const url = fc.oneof(
  fc.constantFrom('', '/studies/1.2', '/studies/1.2/series/3', '?x=1', '#f').map((rest) => `${google.root}${rest}`),
  fc.constantFrom(...others),
)
/** What people write in any language, control characters and lone halves of characters included. */
const words = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }).map((text) => text.toWellFormed()),
)
const text = fc
  .array(
    fc.oneof(
      words,
      url,
      url.map((found) => ` ${found} `),
    ),
    { maxLength: 4 },
  )
  .map((all) => all.join(''))

/** Each call with the chunk sizes in turn, again and again. */
function pass(rewriter: BodyRewriter, body: Buffer, sizes: readonly number[]): Buffer {
  const done: Buffer[] = []
  for (let at = 0, turn = 0; at < body.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    done.push(Buffer.from(rewriter.push(body.subarray(at, at + size))))
    at += size
  }
  return Buffer.concat([...done, rewriter.end()])
}

/** In a text: where it is a URL of its own, and nothing longer. */
function wanted(of: string): string {
  const escaped = google.root.replaceAll('.', '\\.')
  return of.replaceAll(new RegExp(`(?<![A-Za-z0-9+-])${escaped}(?=$|[/?#&<>"'\\\\\\s^\`{|}])`, 'g'), proxy.root)
}

/** How many bodies had something to replace: too few would prove nothing. */
function assertRoundTrip(
  arbitrary: fc.Arbitrary<Buffer>,
  rewriterFor: (replacement: UrlReplacement) => BodyRewriter,
  check: (original: Buffer, rewritten: Buffer) => boolean,
  runs: number,
): number {
  let changed = 0
  fc.assert(
    fc.property(arbitrary, sizes, sizes, (body, one, two) => {
      const rewritten = pass(rewriterFor(there), body, one)
      if (!rewritten.equals(body)) changed += 1
      return check(body, rewritten) && pass(rewriterFor(back), rewritten, two).equals(body)
    }),
    { numRuns: runs },
  )
  return changed
}

const runs = 2_000

/** Names are spelled as well as values: a string is a string. */
const json = fc
  .letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(text, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  }))
  .value.chain((value) => fc.constantFrom(JSON.stringify(value), JSON.stringify(value, null, 2)))
  .map((document) => Buffer.from(document))

t.test('JSON', async (t) => {
  const check = (original: Buffer, rewritten: Buffer) => {
    JSON.parse(String(rewritten))
    return String(rewritten) === wanted(String(original))
  }
  const changed = assertRoundTrip(
    json,
    (replacement) => bodyRewriter('application/dicom+json', replacement),
    check,
    runs,
  )
  t.ok(changed > runs / 10, `${changed} of ${runs} had a URL of the store`)
})

const escapeXml = (of: string) =>
  of.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll("'", '&apos;')
const xml = fc
  .array(fc.tuple(text, text), { maxLength: 4 })
  .map((all) =>
    all.map(([uri, inside]) => `<BulkData uri="${escapeXml(uri)}"/><Value>${escapeXml(inside)}</Value>`).join('\n'),
  )
  .map((elements) =>
    Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel>${elements}</NativeDicomModel>`),
  )

t.test('XML', async (t) => {
  const check = (original: Buffer, rewritten: Buffer) => String(rewritten) === wanted(String(original))
  const changed = assertRoundTrip(xml, (replacement) => bodyRewriter('application/dicom+xml', replacement), check, runs)
  t.ok(changed > runs / 10, `${changed} of ${runs} had a URL of the store`)
})

t.test('multipart: headers of parts and documents change, and no other byte', async (t) => {
  const binary = fc
    .array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        text.map((of) => Buffer.from(of)),
      ),
      { maxLength: 4 },
    )
    .map((all) => Buffer.concat(all))
  const part = fc.record({
    location: fc.option(
      url.filter((of) => !/\s/.test(of)),
      { nil: null },
    ),
    name: fc.constantFrom('Content-Location', 'content-location'),
    more: fc.constantFrom('', 'X-Other: 1\r\n', `X-Other: ${google.root}/x\r\n`),
    document: fc.oneof(
      binary.map((body) => ({ type: 'application/octet-stream', body })),
      xml.map((body) => ({ type: 'application/dicom+xml', body })),
      json.map((body) => ({ type: 'application/dicom+json', body })),
    ),
    hasLength: fc.boolean(),
  })
  const body = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) =>
    Buffer.concat([
      ...parts.flatMap(({ location, name, more, document, hasLength }, at) => {
        // Of a document, the length would change.
        const length = hasLength && document.type === 'application/octet-stream'
        const where = location === null ? '' : `${name}: ${location}\r\n`
        const head = `Content-Type: ${document.type}\r\n${where}${more}`
        const counted = length ? `Content-Length: ${document.body.length}\r\n` : ''
        return [Buffer.from(`${at === 0 ? '' : '\r\n'}--limit\r\n${head}${counted}\r\n`), document.body]
      }),
      Buffer.from('\r\n--limit--\r\n'),
    ]),
  )
  const check = (original: Buffer, rewritten: Buffer) => {
    const lengths = [original, rewritten].map((of) => of.toString('latin1').replaceAll(proxy.root, google.root).length)
    return lengths[0] === lengths[1]
  }
  const changed = assertRoundTrip(body, (replacement) => new MultipartRewriter('limit', replacement), check, runs)
  t.ok(changed > runs / 10, `${changed} of ${runs} had a URL of the store`)
})

t.test('through the proxy, compressed or not, in any chunks', async (t) => {
  const store = 'projects/demo/locations/europe-west4/datasets/imaging/dicomStores/demo/dicomWeb'
  let body = Buffer.alloc(0)
  let sent: readonly number[] = [1]
  let isCompressed = false
  const server = createServer(async (_request, response) => {
    const bytes = isCompressed ? gzipSync(body) : body
    const coding = isCompressed && { 'content-encoding': 'gzip' }
    response.writeHead(200, { 'content-type': 'application/dicom+json', ...coding })
    for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
      const size = sent[turn % sent.length] ?? 1
      response.write(bytes.subarray(at, at + size))
      at += size
      await new Promise(setImmediate)
    }
    response.end()
  })
  const baseUrl = await listenOn(t, server)
  const { url } = await startServed(t, { baseUrl, proxy: { PublicUrl: proxy.root } })
  const there = `${proxy.root}/google`
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          words,
          fc.constantFrom(
            `https://healthcare.googleapis.com/v1/${store}/studies`,
            `https://x.example/${store}`,
            google.root,
          ),
        ),
        { maxLength: 12 },
      ),
      fc.array(fc.integer({ min: 20, max: 400 }), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      fc.constantFrom('gzip', 'identity'),
      async (values, chunks, compressed, coding) => {
        body = Buffer.from(JSON.stringify(values))
        sent = chunks
        isCompressed = compressed
        const response = await fetch(`${url}studies`, { headers: { 'accept-encoding': coding } })
        const received = await response.text()
        const expected = String(body).replaceAll(`https://healthcare.googleapis.com/v1/${store}/`, `${there}/`)
        return response.status === 200 && received === expected
      },
    ),
    { numRuns: 100 },
  )
  t.pass()
})
