import fc from 'fast-check'
import { test } from 'tap'
import { parseAuthorization } from '../../src/guard/authorization-header.ts'

const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')

test('Basic, as RFC 7617 has it', async (t) => {
  const login = (name: string, password: string) => ({ scheme: 'basic', name, password })
  t.same(parseAuthorization('Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='), login('Aladdin', 'open sesame'))
  t.same(parseAuthorization('Basic dGVzdDoxMjPCow=='), login('test', '123£'))
  t.same(parseAuthorization(`bAsIc   ${base64('a:b')}`), login('a', 'b'), 'any case, more than one space')
  t.same(parseAuthorization(`Basic ${base64('a:b:c')}`), login('a', 'b:c'), 'colons in the password')
  t.same(parseAuthorization(`Basic ${base64(':')}`), login('', ''))
  t.same(
    parseAuthorization(`Basic ${base64('Zoe\u0308:e\u0301')}`),
    login('Zo\u00eb', '\u00e9'),
    'one way to write a letter',
  )
})

test('Bearer, as RFC 6750 has it', async (t) => {
  t.same(parseAuthorization('Bearer mF_9.B5f-4.1JqM'), { scheme: 'bearer', token: 'mF_9.B5f-4.1JqM' })
  t.same(parseAuthorization('BEARER a+/~=='), { scheme: 'bearer', token: 'a+/~==' })
})

test('all else is no login', async (t) => {
  for (const header of [
    ...['', 'Basic', 'Basic ', 'Bearer', 'Bearer ', 'Basic:YTpi', 'BasicYTpi', 'Digest YTpi', 'Negotiate YTpi', 'YTpi'],
    ...[
      'Basic YTpi YTpi',
      'Basic YTpi,Bearer x',
      ' Basic YTpi',
      'Basic YTpi ',
      'Basic\tYTpi',
      'Basic YT-i',
      'Basic =',
      'Basic Y=pi',
    ],
    ...['Bearer a b', 'Bearer a,b', 'Bearer a"b', 'Bearer ä', 'Bearer =a', `Basic ${base64('without colon')}`],
    ...['\0', '\t', '\n', '\x1f', '\x7f'].flatMap((control) => [
      `Basic ${base64(`a${control}:b`)}`,
      `Basic ${base64(`a:b${control}`)}`,
    ]),
    `Basic ${base64(Buffer.from([0x61, 0x3a, 0xff]))}`,
    `Basic ${base64(Buffer.from([0x61, 0x3a, 0xc0, 0xaf]))}`,
  ]) {
    t.equal(parseAuthorization(header), null, header)
  }
})

test('10,000 pairs of user name and password come out as they went in', async (t) => {
  // RFC 7617 2 allows no control characters.
  const isWithoutControls = (text: string) => [...text].every((one) => one >= ' ' && one !== '\x7f')
  const name = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes(':') && isWithoutControls(text))
  const word = fc.string({ unit: 'binary' }).filter(isWithoutControls)
  fc.assert(
    fc.property(name, word, (user, password) => {
      const login = parseAuthorization(`Basic ${base64(`${user}:${password}`)}`)
      if (login?.scheme !== 'basic') return false
      return login.name === user.normalize('NFC') && login.password === password.normalize('NFC')
    }),
    { numRuns: 10_000 },
  )
  t.pass('10,000')
})

test('50,000 headers never throw, and a login that is read says the same again', async (t) => {
  const piece = fc.constantFrom(
    'Basic',
    'Bearer',
    'basic',
    ' ',
    ':',
    '=',
    '==',
    ',',
    'YTpi',
    'Og==',
    '\t',
    '\x00',
    'é',
    '+',
    '/',
    '-',
    '_',
  )
  const header = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    fc.tuple(fc.constantFrom('Basic ', 'Bearer '), fc.base64String({ maxLength: 200 })).map((parts) => parts.join('')),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => `Basic ${base64(Buffer.from(bytes))}`),
  )
  let read = 0
  fc.assert(
    fc.property(header, (text) => {
      const login = parseAuthorization(text)
      if (login === null) return true
      read += 1
      const again =
        login.scheme === 'basic' ? `Basic ${base64(`${login.name}:${login.password}`)}` : `Bearer ${login.token}`
      return JSON.stringify(parseAuthorization(again)) === JSON.stringify(login)
    }),
    { numRuns: 50_000 },
  )
  t.ok(read > 1_000, `${read} of them were logins`)
})
