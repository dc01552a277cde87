// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { flawText } from '../../src/config/problem.ts'
import { hashOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { configuration, load, problems, refusal } from './settings-of.ts'

const entry = { PasswordHash: hashOf('x'), Accounts: { a: ['WADO-RS', 'QIDO-RS', 'QIDO-RS'] } }
const withProxy = (DicomWebProxy: object) => configuration({ DicomWebProxy })

test('clients of the configuration and of a file', async (t) => {
  const files = {
    'etc/clients.json': `// comments are allowed\n{ "night": { "TokenDigest": "sha256:${'a'.repeat(64)}", "Admin": true, "UserHeader": "X-Forwarded-User" } }`,
  }
  const { clients } = await load(t, withProxy({ Clients: { day: entry }, ClientsFile: 'etc/clients.json' }), { files })
  t.match(clients, {
    named: [{ name: 'day', passwordHash: entry.PasswordHash, tokenDigest: null, admin: false, userHeader: null }],
    listed: [{ name: 'night', passwordHash: null, accounts: [], admin: true, userHeader: 'x-forwarded-user' }],
    file: /\/etc\/clients\.json$/,
    hasAuthorities: false,
  })
  t.strictSame(clients?.named[0]?.accounts, [{ account: 'a', services: ['QIDO-RS', 'WADO-RS'] }])
})

test('a problem in the file is reported with its name', async (t) => {
  const wrong = { ...entry, Accounts: { b: ['STOW'] } }
  const files = { 'c.json': { day: entry, night: wrong, '': entry } }
  const error = await refusal(() => load(t, withProxy({ Clients: { day: entry }, ClientsFile: 'c.json' }), { files }))
  t.match(
    error?.problems.map(({ file, path, ...flaw }) => `${file.split('/').at(-1)}: ${path}: ${flawText(flaw)}`).sort(),
    [
      /^c\.json: \[""\]: must have a name/,
      /^c\.json: day: is also in DicomWebProxy\.Clients;/,
      /^c\.json: night\.Accounts\.b: is not an account/,
      /^c\.json: night\.Accounts\.b\[0\]: .*did you mean "STOW-RS"/,
    ],
  )
  for (const text of ['', '[]', '{', '{}', '{ "a": ${HASH} }']) {
    t.equal(
      (await problems(() => load(t, withProxy({ ClientsFile: 'c.json' }), { files: { 'c.json': text } }))).length > 0,
      true,
      text,
    )
  }
})

test('passwords without TLS beyond this machine are warned of', async (t) => {
  t.match((await load(t, withProxy({ Listen: '0.0.0.0:8043', Clients: { c: entry } }))).warnings, [
    /without TLS: passwords/,
  ])
  t.strictSame((await load(t, withProxy({ Clients: { c: entry } }))).warnings, [])
})

test('TLS files that cannot be used', needsOpenssl(), async (t) => {
  const authority = makeAuthority(t)
  const [one, other, old] = [authority.issue({ days: 30 }), authority.issue(), authority.issue({ days: -1 })]
  const Tls = { Certificate: one.certificate, Key: one.key }
  t.match(await load(t, withProxy({ Tls })), {
    tls: { certificate: one.certificate, clientAuthorities: null },
    warnings: [],
  })
  const certificate = (text: string) => ({ 'x.pem': text })
  const wrong: [tls: object, problem: RegExp, files?: Record<string, string>][] = [
    [{ ...Tls, Key: other.key }, /^DicomWebProxy\.Tls\.Key: is not the key of Certificate; name/],
    [{ ...Tls, Key: one.certificate }, /Tls\.Key: names a file without a private key/],
    [{ ...Tls, Certificate: one.key }, /Tls\.Certificate: names a file without a certificate/],
    [
      { ...Tls, Certificate: 'x.pem' },
      /Tls\.Certificate: .* no\. 1 is damaged/,
      certificate(one.cert.replace('\nMI', '\nXX')),
    ],
    [
      { ...Tls, Key: 'x.pem' },
      /Tls\.Key: .* an encrypted key; store the key without a passphrase/,
      certificate('-----BEGIN ENCRYPTED PRIVATE KEY-----\n'),
    ],
    [{ ...Tls, ClientAuthorities: 'missing.pem' }, /Tls\.ClientAuthorities: names a file that does not exist/],
    [{ ...Tls, RequireClientCertificate: true }, /RequireClientCertificate: needs ClientAuthorities/],
    [{ ...Tls, ClientAuthorities: authority.certificate }, /ClientAuthorities: has no effect without Clients/],
  ]
  for (const [tls, problem, files = {}] of wrong) {
    const found = await problems(() => load(t, withProxy({ Tls: tls }), { files }))
    t.match(found, [problem], found.join('\n'))
    t.notMatch(found.join(), readFileSync(one.key, 'utf8').slice(40, 60))
  }
  t.match((await load(t, withProxy({ Tls: { Certificate: old.certificate, Key: old.key } }))).warnings, [
    /^The certificate of the listeners expire[sd] at 20.*Replace the file in DicomWebProxy\.Tls\.Certificate/,
  ])
})
