import fc from 'fast-check'
import t from 'tap'
import { redactMessage } from '../../src/server/redact-message.ts'

const root = '/v1/projects/demo/locations/europe-west4/datasets/imaging/dicomStores/demo/dicomWeb'
const redact = (message: string, path = '/studies', status = 403) => redactMessage(message, status, root + path)

t.test('what helps stays', async (t) => {
  const permission =
    "Permission healthcare.dicomStores.dicomWebRead denied on resource 'projects/demo/locations/europe-west4/datasets/imaging/dicomStores/demo' (or it may not exist)."
  t.equal(redact(permission), permission)
  const quota =
    "Quota exceeded for quota metric 'DICOM store operations' and limit 'DICOM store operations per minute per region' of service 'healthcare.googleapis.com' for consumer 'project_number:123456789012'."
  t.equal(redact(quota, '/studies', 429), quota)
  t.equal(redact('The service is currently unavailable.', '/studies', 503), 'The service is currently unavailable.')
})

const hidden: [why: string, message: string, path: string, expected: string][] = [
  ['a UID', 'denied on 1.2.840.10008.1', '/studies', 'denied on …'],
  ['a UID of the path', 'denied on 2.25 of it', '/studies/2.25', 'denied on … of it'],
  [
    'the whole path',
    `denied on ${root}/studies/1.2.3/series/4.5.6`,
    '/studies/1.2.3/series/4.5.6',
    `denied on ${root}/studies/…/series/…`,
  ],
  ['bulk data', 'no x7 here', '/studies/1.2/series/3.4/instances/5.6/bulkdata/a/x7', 'no … here'],
  ['a value', 'for Doe^John now', '/studies?PatientName=Doe%5EJohn', 'for … now'],
  ['a part of it, in other letters', 'for john only', '/studies?PatientName=Doe%5EJohn*', 'for … only'],
  ['as it was sent', 'for Doe%5EJohn now', '/studies?PatientName=Doe%5EJohn', 'for … now'],
  ['encoded, where it was sent as it is', 'ID=778899%40HOSP.', '/studies?PatientID=778899@HOSP', 'ID=….'],
  ['encoded in small letters', 'ID=AB%2f12345.', '/studies?PatientID=AB/12345', 'ID=….'],
  ['an apostrophe encoded', 'of O%27Brien%40home.', '/studies?PatientName=O%27Brien@home', 'of ….'],
  ['encoded letters', 'of J%C3%BCr%67en', '/studies?PatientName=J%C3%BCrgen', 'of …'],
  ['encoded and composed otherwise', 'of Ju%CC%88rgen', '/studies?PatientName=J%C3%BCrgen', 'of …'],
  ['of an issuer', 'no HOSP%3A778899', '/studies?PatientID=HOSP:778899', 'no …'],
  ['a part between other signs', 'of Doe%20Smithers', '/studies?PatientName=Doe+Smithers%3BJo', 'of …%20…'],
  ['a short one encoded', 'of a%2Fb here', '/studies?PatientID=a/b', 'of … here'],
  ['a percent sign', 'of 100%41x', '/studies?PatientID=100%2541x', 'of …'],
  ['with a plus', 'for Doe John now', '/studies?PatientName=Doe+John', 'for … now'],
  ['with another space', 'for Doe \t\n John now', '/studies?PatientName=Doe+John', 'for … now'],
  ['with something invisible in it', 'for D\u0000o\u200be now', '/studies?PatientName=Doe', 'for … now'],
  ['composed otherwise', 'for Ju\u0308rgen', '/studies?PatientName=J%C3%BCrgen', 'for …'],
  ['in another case', 'for JÜRGEN', '/studies?PatientName=J%C3%BCrgen', 'for …'],
  ['a short one', 'Permission a denied', '/studies?PatientID=a', 'Permission … denied'],
  ['short ones side by side', 'not a b, but ab', '/studies?PatientID=a%20b', 'not …, but ab'],
  ['a short one beside another', 'of JohnDoe here', '/studies?PatientName=John%5EDoe', 'of … here'],
  ['values that overlap', 'for abcdefgh here', '/studies?PatientID=abcde&PatientName=defgh', 'for … here'],
  ['one with signs of a pattern', 'for A.B(C) AxBC', '/studies?PatientID=A.B(C)', 'for … AxBC'],
  ['a token', 'token ya29.a0AfH-x_y rejected', '/studies', 'token … rejected'],
  ['a header', 'got "Bearer abc.def"', '/studies', 'got "…'],
  ['a key', `key ${'aB3'.repeat(12)} is wrong`, '/studies', 'key … is wrong'],
  ['control characters', 'a\r\n\u001b[31mb\u202ec', '/studies', 'a [31mbc'],
]

t.test('what is a patient’s, or could be a secret, goes', async (t) => {
  for (const [why, message, path, expected] of hidden) t.equal(redact(message, path), expected, why)
})

t.test('a service that fails may quote what it failed on', async (t) => {
  const path = '/studies'
  t.equal(redact("can't parse 'Doe^John' of \"19700101\"", path, 500), "can't parse '…' of \"…\"")
  t.equal(redact('accession 20240117 failed', path, 503), 'accession … failed')
  t.match(redact("denied for 'projects/demo'", path, 503), 'projects/demo')
  t.equal(redact("it's 'a \"b\" c' and can't be `d`", path, 503), "it's '…' and can't be `…`")
  t.equal(redact('an "open one, and \'another', path, 503), 'an "open one, and \'another')
})

t.test('300 characters are enough', async (t) => {
  const long = redact('😀 '.repeat(1000))
  t.equal([...long].length, 300)
  t.ok(long.endsWith('😀…') || long.endsWith(' …'))
  t.equal(redact('x '.repeat(100)), 'x '.repeat(100).trim())
})

t.test('no value of the query is ever left, at any place', async () => {
  const value = fc
    .string({ minLength: 4, maxLength: 30, unit: 'grapheme' })
    .filter((text) => /[\p{L}\p{N}]{4}/u.test(text))
  fc.assert(
    fc.property(value, fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }), (value, before, after) => {
      const path = `/studies?PatientName=${encodeURIComponent(value)}`
      const text = redact(before + value + after, path)
      const wanted = value.normalize('NFC')
      // What stands in "…" may not contain it, nor may the rest.
      return !text.toLowerCase().includes(wanted.toLowerCase())
    }),
    { numRuns: 300 },
  )
})

/** Each character of what `encodeURIComponent` leaves, too. */
const allEncoded = (value: string) =>
  Array.from(Buffer.from(value), (byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('')
const spellings: Readonly<Record<string, (value: string) => string>> = {
  raw: (value) => value,
  encodeURIComponent,
  form: (value) => String(new URLSearchParams({ v: value })).slice(2),
  'RFC 3986': (value) => encodeURIComponent(value).replaceAll(/[!'()*]/g, allEncoded),
  'all encoded': allEncoded,
  'small hex digits': (value) => allEncoded(value).toLowerCase(),
  'a plus for each blank': (value) => value.replaceAll(' ', '+'),
}

t.test('no spelling of a value is left, however the client spelled it', async (t) => {
  const character = fc.constantFrom(..."aZ9 @/:()!$'*,;?=&%+^-.~#\\üé")
  const value = fc
    .string({ minLength: 1, maxLength: 20, unit: character })
    .filter((text) => /[\p{L}\p{N}]/u.test(text) && text.trim() === text && !text.includes('  '))
  fc.assert(
    fc.property(value, fc.constantFrom(...Object.keys(spellings)), (value, spelling) => {
      const said = spellings[spelling]?.(value) ?? ''
      const sent = [
        encodeURIComponent(value),
        allEncoded(value),
        encodeURIComponent(value).replaceAll(/%(40|2F|3A|24)/g, decodeURIComponent),
      ]
      return sent.every(
        (sent) =>
          !/[aZ9üé]/i.test(
            redact(`<${said}>`, `/studies?PatientID=${sent}`).replace(/(%[\da-f]{2})+/gi, decodeURIComponent),
          ),
      )
    }),
    { numRuns: 1_000 },
  )
  t.comment('in the middle of Google’s words')
  fc.assert(
    fc.property(value, fc.constantFrom(...Object.keys(spellings)), (value, spelling) => {
      const said = spellings[spelling]?.(value) ?? ''
      const text = redact(`No "${said}" here.`, `/studies?PatientID=${encodeURIComponent(value)}`)
      return !(said.length >= 4 && text.includes(said))
    }),
    { numRuns: 1_000 },
  )
})
