import fc from 'fast-check'
import { test } from 'tap'
import { configuration, load, refusal } from './settings-of.ts'

const secret = 'ya29.hidden-value'

/**
 * Every place of this configuration is given the secret in turn, as a text, a number, inside a
 * list, an object.
 */
const places = [
  ...['Project', 'Location', 'Dataset', 'DicomStore', 'ServiceAccountFile', 'ImpersonateServiceAccount', 'Access'].map(
    (key) => (value: unknown) => configuration({}, {}, { [key]: value }),
  ),
  ...['BaseUrl', 'TokenUrl', 'AllowedCredentialHosts', 'Timeout', 'Accounts'].map(
    (key) => (value: unknown) => configuration({}, { [key]: value }),
  ),
  ...[
    'Listen',
    'AdminListen',
    'PublicUrl',
    'AllowAnonymous',
    'Timeouts',
    'Clients',
    'Cors',
    'AllowedNetworks',
    'Tls',
    'Limits',
  ].map((key) => (value: unknown) => configuration({ DicomWebProxy: { [key]: value } })),
  (value: unknown) => configuration({ DicomWebProxy: { Cors: { Origins: [value] } } }),
  ...['PasswordHash', 'TokenDigest', 'CertificateSubject', 'CertificateName', 'UserHeader', 'Accounts', 'Password'].map(
    (key) => (value: unknown) => configuration({ DicomWebProxy: { Clients: { c: { [key]: value } } } }),
  ),
  ...['HttpProxy', 'HttpsCACertificates', 'HttpVerbose', 'GoogleCloudPlatform'].map(
    (key) => (value: unknown) => configuration({ [key]: value }),
  ),
]

test('no text of the configuration shows up in a message', async (t) => {
  let refused = 0
  for (const place of places) {
    for (const value of [
      secret,
      ` ${secret}`,
      `https://u:${secret}@h q/`,
      `u:${secret}@h:99999`,
      [secret],
      [[secret]],
    ]) {
      const error = await refusal(() => load(t, place(value)))
      t.notMatch(error?.message ?? '', /hidden/, JSON.stringify(place(value)))
      if (error) refused += 1
    }
  }
  t.ok(refused > 80, `${refused} of the configurations were refused`)
})

test('a secret given as a number does not show up either', async (t) => {
  for (const key of ['AuthorizedUserClientSecret', 'AuthorizedUserRefreshToken']) {
    const message = (await refusal(() => load(t, configuration({}, {}, { [key]: 987654321 }))))?.message ?? ''
    t.match(message, key)
    t.notMatch(message, /987654321/)
  }
})

test('any JSON is either accepted or refused with problems', async (t) => {
  const value = fc.oneof(fc.jsonValue(), fc.string(), fc.integer(), fc.constantFrom(null, true, '', [], {}))
  await fc.assert(
    fc.asyncProperty(fc.nat(places.length - 1), value, async (at, json) => {
      const text = JSON.stringify(places[at]?.(json))
      const error = await refusal(() => load(t, text))
      return error === undefined || error.problems.length > 0
    }),
    { numRuns: 200 },
  )
})

test('any text as a file is either accepted or refused with problems', async (t) => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"GoogleCloudPlatform"',
    '"Accounts"',
    '"a"',
    '1',
    '//',
    '\n',
    '$',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 30 }), async (parts) => {
      const error = await refusal(() => load(t, parts.join('')))
      return error !== undefined && error.problems.length > 0
    }),
    { numRuns: 200 },
  )
})
