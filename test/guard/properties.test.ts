import type { IncomingHttpHeaders } from 'node:http'
import fc from 'fast-check'
import { test } from 'tap'
import { isolationHeaders, outgoingHeaders, returnedHeaders } from '../../src/guard/headers.ts'
import { judge, origin, root } from './judge.ts'
import * as seeds from './seeds.ts'

/**
 * Cases of each property, in all more than 100,000; fast-check prints the seed and the smallest
 * case of a failure.
 */
const cases = { targets: 60_000, searches: 10_000, headers: 20_000 }

const system = new Set(
  'access_token alt bearer_token callback fields key oauth_token passphrase pp prettyprint quotauser trace uploadtype upload_protocol userip userproject'.split(
    ' ',
  ),
)

/** Every way to read a name: as it is, decoded once, and again. */
function readings(text: string): string[] {
  const all = [text]
  for (let at = 0; at < all.length && at < 6; at++) {
    const last = all[at] ?? ''
    for (const decode of [decodeURIComponent, (encoded: string) => encoded.replaceAll('+', ' ').trim()]) {
      try {
        const decoded = decode(last)
        if (!all.includes(decoded)) all.push(decoded)
      } catch {}
    }
  }
  return all
}

const uid = fc.constantFrom('1', '1.2', '1.2.840.10008', '0.0', '1..2', '', 'x', '1'.repeat(65))
const word = fc.constantFrom(
  ...[
    'a',
    'dicomWeb',
    'studies',
    'series',
    'instances',
    'metadata',
    'rendered',
    'frames',
    'bulkdata',
    '1,2',
    '7FE00010',
  ],
  ...[
    '.',
    '..',
    '...',
    '%2e',
    '%2E%2e',
    '%2f',
    '%252f',
    '\\',
    '%5c',
    ';x=y',
    '%3b',
    '#',
    '%23',
    '*',
    '%2C',
    '%00',
    '\n',
  ],
  ...['é', '\ud800', ' ', '+', ':', '@', '~', '-', '_', 'projects', 'operations'],
)
const segment = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'dicomWeb', 'studies', 'series', 'instances', 'metadata', 'rendered') },
  { weight: 6, arbitrary: uid },
  { weight: 1, arbitrary: fc.array(word, { maxLength: 3 }).map((words) => words.join('')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 5 }) },
)

/** Paths that are right, up to their ends. */
const deepPath = fc
  .tuple(
    fc.constantFrom('/a', '//a', '/a/dicomWeb', '/a//dicomWeb/', '/%61'),
    fc.constantFrom('', '/studies', '/studies/1.2', '/studies/1.2/series', '/studies/1.2/series/3/instances/4'),
    fc.constantFrom('', '/', '/metadata', '/frames/1', '/frames/1%2C2', '/bulkdata/x', '/instances'),
    fc.oneof({ weight: 4, arbitrary: fc.constant('') }, fc.constant('/'), segment),
  )
  .map((parts) => parts.join(''))
const goodPath = fc.constantFrom(
  '/a/studies',
  '//a//dicomWeb/studies/',
  '/a/studies/1.2/series',
  '/a/instances',
  '/a/studies/1',
)
const path = fc.oneof(
  { weight: 6, arbitrary: goodPath },
  { weight: 3, arbitrary: deepPath },
  { weight: 3, arbitrary: fc.array(segment, { maxLength: 8 }).map((segments) => `/${segments.join('/')}`) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
)

const systemSpelling = fc
  .tuple(
    fc.constantFrom(...system, '$.xgafv', '$alt', '$key', 'prettyPrint', 'quotaUser'),
    fc.infiniteStream(fc.nat(3)),
  )
  .map(([name, ways]) =>
    [...name]
      .map((letter) => {
        const way = ways.next().value
        if (way === 1) return letter.toUpperCase()
        if (way === 2) return `%${letter.charCodeAt(0).toString(16)}`
        return letter
      })
      .join(''),
  )
const parameter = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'limit',
      'includefield',
      'PatientName',
      '00100010',
      '00400275.00400009',
      'accept',
      'window',
    ),
  },
  { weight: 2, arbitrary: systemSpelling },
  { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 6 }) },
)
const value = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme' }).map((text) => encodeURIComponent(text)) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii' }) },
  {
    weight: 2,
    arbitrary: fc
      .array(
        fc.constantFrom('key', 'alt', '=', '&', ';', '%26', '%3B', '%3D', '%2526', '+', '%2B', '#', '?', '/', '..'),
      )
      .map((parts) => parts.join('')),
  },
)
const pair = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(parameter, value).map(([name, text]) => `${name}=${text}`) },
  { weight: 1, arbitrary: parameter },
)
const goodPair = fc
  .tuple(fc.constantFrom('PatientName', '%50atientID', '00100010', 'limit', 'offset'), fc.string({ unit: 'grapheme' }))
  .map(([name, text]) => `${name}=${encodeURIComponent(text)}`)
const query = fc.oneof(
  { weight: 4, arbitrary: fc.array(goodPair, { maxLength: 4 }).map((pairs) => `?${pairs.join('&')}`) },
  { weight: 2, arbitrary: fc.constant('') },
  { weight: 5, arbitrary: fc.array(pair, { maxLength: 4 }).map((pairs) => `?${pairs.join('&')}`) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }).map((text) => `?${text}`) },
)
const target = fc.oneof(
  { weight: 10, arbitrary: fc.tuple(path, query).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: fc.webUrl({ withQueryParameters: true, withFragments: true }) },
)
const method = fc.oneof(
  { weight: 8, arbitrary: fc.constant('GET') },
  { weight: 4, arbitrary: fc.constantFrom('HEAD', 'POST', 'DELETE') },
  { weight: 1, arbitrary: fc.string() },
)

test('for every target, what goes out is one path below the store, with one meaning only', (t) => {
  let allowed = 0
  let withQuery = 0
  fc.assert(
    fc.property(method, target, (method, target) => {
      const verdict = judge(method, target)
      if (!verdict.allowed) return verdict.error.status >= 400 && verdict.error.status < 500
      allowed += 1
      const { path } = verdict
      const url = new URL(path, origin)
      if (url.origin !== origin || url.pathname + url.search !== path || url.hash) return false
      if (!path.startsWith(`${root}/`)) return false
      const [pathname = '', sent] = path.split('?')
      if (path.split('?').length > 2 || !/^[\w/.,~-]+$/.test(pathname) || pathname.includes('//')) return false
      if (sent === undefined) return true
      withQuery += 1
      // Only what a query may hold unencoded (RFC 3986 3.4), and nothing that parts it otherwise
      // than `&` does.
      if (!/^(?:[\w.~!$()*+,/:@=&-]|%[0-9A-Fa-f]{2})+$/.test(sent)) return false
      const names = sent.split('&').map((pair) => pair.split('=')[0] ?? '')
      return names.every((name) =>
        readings(name).every((reading) => !system.has(reading.toLowerCase()) && !/[^\w.]/.test(reading)),
      )
    }),
    { numRuns: cases.targets, examples: seeds.targets, verbose: 1 },
  )
  t.comment(`${cases.targets} targets, ${allowed} allowed, ${withQuery} with a query`)
  t.ok(allowed > cases.targets / 10, `${allowed} of ${cases.targets} were allowed`)
  t.ok(withQuery > cases.targets / 20, `${withQuery} of them with a query`)
  t.end()
})

/** Keys without a value are replaced by `includefield` at the end, or left out. */
function isSameSearch(sent: readonly [string, string][], asked: readonly [string, string][]): boolean {
  const kept = asked.filter(([name, text]) => text !== '' || !/^[P0]/.test(name))
  const added = sent.slice(kept.length)
  const isField = added.every(([name, text]) => name === 'includefield' && /^(?:PatientName|00100010)$/.test(text))
  // Both name the same attribute.
  const mayBeAdded = kept.length < asked.length ? 1 : 0
  return JSON.stringify(sent.slice(0, kept.length)) === JSON.stringify(kept) && isField && added.length <= mayBeAdded
}

test('every search reaches Google with all that can exclude or ask for something, unchanged', (t) => {
  const attribute = fc.constantFrom('PatientName', '00100010', 'includefield', 'limit', 'offset')
  fc.assert(
    fc.property(fc.array(fc.tuple(attribute, fc.string({ unit: 'grapheme' })), { minLength: 1 }), (pairs) => {
      // No control characters: those are refused.
      const plain = pairs.map(([name, text]): [string, string] => [
        name,
        text.toWellFormed().replaceAll(/\p{Cc}/gu, ''),
      ])
      const spellings = [
        String(new URLSearchParams(plain)),
        plain.map(([name, text]) => `${name}=${encodeURIComponent(text)}`).join('&'),
        plain.map(([name, text]) => `${name}=${Buffer.from(text).toString('hex').replace(/../g, '%$&')}`).join('&'),
      ]
      return spellings.every((spelled) => {
        const verdict = judge('GET', `/a/studies?${spelled}`)
        if (!verdict.allowed) return false
        const sent = [...new URL(verdict.path, origin).searchParams]
        const [, query = ''] = verdict.path.split('?')
        const again = judge('GET', `/a/studies?${query}`)
        return isSameSearch(sent, plain) && again.allowed && again.path === verdict.path
      })
    }),
    { numRuns: cases.searches, examples: seeds.searches, verbose: 1 },
  )
  t.comment(`${cases.searches} searches`)
  t.end()
})

const requestHeaders =
  'accept accept-charset accept-encoding accept-language cache-control content-encoding content-language content-length content-type if-match if-modified-since if-none-match if-range if-unmodified-since range'.split(
    ' ',
  )
const responseHeaders =
  'accept-ranges age cache-control content-disposition content-encoding content-language content-length content-location content-range content-type date etag expires last-modified pragma retry-after vary warning'.split(
    ' ',
  )
const others =
  'storage-class authorization proxy-authorization cookie set-cookie forwarded x-forwarded-for via host connection keep-alive te trailer transfer-encoding upgrade expect x-goog-user-project www-authenticate server __proto__ constructor toString'.split(
    ' ',
  )

test('for all headers, nothing beyond the allow-lists comes out, and what does is unchanged', (t) => {
  const name = fc.oneof(fc.constantFrom(...requestHeaders, ...responseHeaders, ...others), fc.string())
  const one = fc.string({ unit: 'binary' })
  const record = fc.dictionary(name, fc.oneof(one, fc.constant(undefined), fc.array(one)), {
    noNullPrototype: false,
    maxKeys: 20,
  })
  for (const [pick, names] of [
    [(headers: IncomingHttpHeaders) => outgoingHeaders(headers, 'WADO-RS'), requestHeaders],
    [(headers: IncomingHttpHeaders) => outgoingHeaders(headers, 'STOW-RS'), [...requestHeaders, 'storage-class']],
    [returnedHeaders, responseHeaders],
  ] as const) {
    fc.assert(
      fc.property(record, (headers) => {
        // Headers that each of our responses has, with any headers from Google; Vary gets a name
        // more.
        const sent = Object.entries(pick(headers as never)).filter(
          ([name]) => !(name in isolationHeaders) && name !== 'vary',
        )
        const expected = names.filter(
          (name) => name !== 'vary' && Object.hasOwn(headers, name) && headers[name] !== undefined,
        )
        return (
          sent.length === expected.length &&
          sent.every(([name, value]) => {
            const given = headers[name]
            return names.includes(name) && value === (Array.isArray(given) ? given.join(', ') : given)
          })
        )
      }),
      { numRuns: cases.headers, examples: seeds.headers, verbose: 1 },
    )
    t.comment(`${cases.headers} sets of headers`)
  }
  t.end()
})
