import fc from 'fast-check'
import t from 'tap'
import { MultipartRewriter } from '../../src/forward/multipart-rewriter.ts'
import { UrlRewriter } from '../../src/forward/url-rewriter.ts'
import { StoreUrls } from '../../src/stores/store-urls.ts'
import { passInChunks } from '../helpers/pass-in-chunks.ts'

const account = { name: 'a', project: 'my-project', location: 'us', dataset: 'Röntgen', dicomStore: 's.1' }
const baseUrl = 'https://gateway.example/healthcare/v1/'
const to = 'https://pacs.example/google'
const replacement = { store: new StoreUrls(account, baseUrl), to }
const root = (host: string, project: string, dataset = 'R%C3%B6ntgen', store = 's.1') =>
  `${host}/projects/${project}/locations/us/datasets/${dataset}/dicomStores/${store}/dicomWeb`
const gateway = 'https://gateway.example/healthcare/v1'
const canonical = root(gateway, 'my-project')

const ours = [
  canonical,
  root(gateway, '123456789012'),
  root('https://healthcare.googleapis.com/v1', 'my-project'),
  root('https://healthcare.googleapis.com/v1beta1', '1'),
  root('https://healthcare.europe-west4.rep.googleapis.com/v1', 'my-project', 'R%c3%b6ntgen'),
  root('https://healthcare-psc1.p.googleapis.com/v1', 'my-project', 'Röntgen'),
]
const others = [
  root(gateway, 'other-project'),
  root(gateway, 'my-project', 'other'),
  root(gateway, 'my-project', 'R%ZZ'),
  root(gateway, 'my-project', 'R%C3%B6ntgen', 's.12'),
  root('https://gateway.example/v1', 'my-project'),
  root('https://healthcare.googleapis.com.evil.example/v1', 'my-project'),
  root('https://evil.example/?u=https:/healthcare.googleapis.com/v1', 'my-project'),
  root('https://storage.googleapis.com/v1', 'my-project'),
  root('http://healthcare.googleapis.com/v1', 'my-project'),
  root('xhttps://healthcare.googleapis.com/v1', 'my-project'),
  `${canonical}X`,
  canonical.slice(0, -3),
  'https://healthcare.googleapis.com/v1/projects/my-project/locations/us/datasets/Röntgen/operations/1',
  `https://${'h'.repeat(3000)}/v1/projects/my-project`,
  'https',
  'http:/',
  'https://',
]

t.test('which URLs are those of the store', (t) => {
  for (const [roots, wanted] of [
    [ours, to],
    [others, null],
  ] as const) {
    for (const url of roots) {
      for (const [before, after] of ['""', '><', "''", ' ?', '(#'].map((pair) => [...pair])) {
        const body = Buffer.from(`${before}${url}${after}`)
        t.equal(String(passInChunks(new UrlRewriter(replacement), body, [7])), `${before}${wanted ?? url}${after}`)
      }
      t.equal(
        String(passInChunks(new UrlRewriter(replacement), Buffer.from(`${url}/studies`), [1])),
        `${wanted ?? url}/studies`,
      )
      t.equal(String(passInChunks(new UrlRewriter(replacement), Buffer.from(url), [50])), wanted ?? url)
    }
  }
  const byNumber = { ...replacement, store: new StoreUrls({ ...account, project: '12' }, baseUrl) }
  const number = Buffer.from(`"${root(gateway, '13')}" "${root(gateway, '12')}"`)
  t.equal(String(passInChunks(new UrlRewriter(byNumber), number, [99])), `"${root(gateway, '13')}" "${to}"`)
  t.end()
})

const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 })
const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array).toString('latin1'))
const piece = fc.oneof(
  bytes.map((text) => ({ text, wanted: text })),
  fc.constantFrom('h', 'ht', 'http', 'https:', '"', ' \\u00e9', 'R\r\n--b').map((text) => ({ text, wanted: text })),
  fc.constantFrom(...ours).map((url) => ({ text: latin1(`"${url}/x"`), wanted: `"${to}/x"` })),
  fc.constantFrom(...others).map((url) => ({ text: latin1(`"${url}/x"`), wanted: latin1(`"${url}/x"`) })),
)
const latin1 = (text: string) => Buffer.from(text).toString('latin1')
const joined = (pieces: readonly { text: string; wanted: string }[], which: 'text' | 'wanted') =>
  Buffer.from(pieces.map((piece) => piece[which]).join(''), 'latin1')

t.test('any body, any URLs, in any chunks: only the roots of the store change', (t) => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), sizes, (pieces, sizes) =>
      passInChunks(new UrlRewriter(replacement), joined(pieces, 'text'), sizes).equals(joined(pieces, 'wanted')),
    ),
    { numRuns: 3000 },
  )
  t.end()
})

t.test('replaced back, the body is the original again', (t) => {
  const back = { store: new StoreUrls(account, baseUrl), to: canonical }
  const canonicalPiece = fc.oneof(bytes, fc.constant(`"${canonical}/studies"`), fc.constantFrom(...others.map(latin1)))
  fc.assert(
    fc.property(fc.array(canonicalPiece, { maxLength: 20 }), sizes, (pieces, sizes) => {
      const body = Buffer.from(pieces.join('"'), 'latin1')
      const there = passInChunks(new UrlRewriter(replacement), body, sizes).toString('latin1')
      return there.replaceAll(to, canonical) === body.toString('latin1') && back.to === canonical
    }),
    { numRuns: 2000 },
  )
  t.end()
})

t.test('of a multipart body, only headers of parts and documents change, if the first part has any', (t) => {
  const part = fc.record({
    body: fc.array(piece, { maxLength: 8 }),
    type: fc.constantFrom('application/octet-stream', 'application/dicom', 'application/dicom+xml', ''),
    hasLength: fc.boolean(),
    location: fc.constantFrom(null, ...ours.map((url) => ({ text: latin1(url), wanted: to }))),
  })
  const write = (
    parts: readonly (typeof part extends fc.Arbitrary<infer One> ? One : never)[],
    asked: 'text' | 'wanted',
  ) => {
    const which = parts[0]?.location || parts[0]?.type.endsWith('xml') ? asked : 'text'
    return Buffer.concat([
      ...parts.flatMap(({ body, type, location, hasLength }, at) => {
        const isDocument = type.endsWith('xml')
        const length = joined(body, 'text').length
        const headers = [
          type && `Content-Type: ${type}`,
          location && `content-Location: ${location[which]}/1`,
          hasLength && !(isDocument && which === 'wanted') && `Content-length: ${length}`,
        ]
        return [
          Buffer.from(
            `${at === 0 ? '' : '\r\n'}--b0undary\r\n${headers
              .filter(Boolean)
              .map((line) => `${line}\r\n`)
              .join('')}\r\n`,
            'latin1',
          ),
          joined(body, isDocument ? which : 'text'),
        ]
      }),
      Buffer.from(`\r\n--b0undary--\r\nEpilogue "${canonical}/x"`),
    ])
  }
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), sizes, (parts, sizes) =>
      passInChunks(new MultipartRewriter('b0undary', replacement), write(parts, 'text'), sizes).equals(
        write(parts, 'wanted'),
      ),
    ),
    { numRuns: 3000 },
  )
  t.end()
})

t.test('what is no multipart body passes unchanged', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(bytes, fc.constantFrom('\r\n--b', '--b', '\r\n', '--')), { maxLength: 30 }),
      sizes,
      (pieces, sizes) => {
        const body = Buffer.from(pieces.join(''), 'latin1')
        return passInChunks(new MultipartRewriter('b', replacement), body, sizes).equals(body)
      },
    ),
    { numRuns: 2000 },
  )
  const endless = Buffer.from(`--b\r\nContent-Location: ${canonical}/${'x'.repeat(40_000)}`)
  t.ok(
    passInChunks(new MultipartRewriter('b', replacement), endless, [1000]).equals(endless),
    'endless headers of a part',
  )
  t.end()
})

t.test('bytes that look like URLs again and again take linear time', (t) => {
  for (const text of ['http', 'https://', 'https://healthcare.googleapis.com/', canonical.slice(0, -1)]) {
    const body = Buffer.from(text.repeat(2_000_000 / text.length))
    const began = performance.now()
    t.ok(passInChunks(new UrlRewriter(replacement), body, [65_536]).equals(body))
    t.ok(performance.now() - began < 20_000, text)
    t.comment(text.slice(0, 40), Math.round(performance.now() - began), 'ms for 2 MB')
  }
  t.end()
})
