import { test } from 'tap'
import { configuration, load, problems } from '../config/settings-of.ts'

// A key file given as the configuration had "no DICOM store", as had Orthanc's own configuration;
// two keys beside a configuration defined the section `type` twice; and a file that is no JSON at
// all had 17 errors.
const key = { type: 'service_account', project_id: 'p', private_key: 'hidden', client_email: 'a@b' }

const files: Record<string, [content: string | object, problem: RegExp]> = {
  'a key file': [
    key,
    /^: is a Google credential \(service_account\), not a configuration; name it as ServiceAccountFile of an account/,
  ],
  'what gcloud prints': [{ refresh_token: 'r', client_id: 'c' }, /\(authorized_user\).*AuthorizedUserFile/],
  'a certificate': ['-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----', /has a certificate or a key in PEM/],
  'an INI file': ['[main]\nport = 1\nhost = x: y\n"a" b', /^: is not valid JSON: a configuration must hold one JSON/],
  YAML: ['accounts:\n  - name: a\n    project: b\n', /must hold one JSON object/],
  'a Lua script': ['-- A\nfunction OnStoredInstance(id)\n  Delete(id)\nend', /must hold one JSON object/],
  "Orthanc's own": [
    { Name: 'PACS', StorageDirectory: '/var/lib/orthanc', RemoteAccessAllowed: true },
    /GoogleCloudPlatform\.Accounts: no DICOM store is configured: this is Orthanc's own configuration/,
  ],
}
for (const [name, [content, problem]] of Object.entries(files)) {
  test(`${name} as the configuration`, async (t) => {
    const found = await problems(() => load(t, content))
    t.equal(found.filter((text) => problem.test(text)).length, 1, found.join('\n'))
    t.ok(found.length <= 2, 'and no cascade')
    t.notMatch(found.join(), /hidden/)
  })
}

test('one mistake in JSON is not told as many', async (t) => {
  const found = await problems(() => load(t, '{ a = 1, b = { c = 2, d = 3 }, e = f, g = h }'))
  t.ok(found.filter((text) => /is not valid JSON/.test(text)).length <= 3, found.join('\n'))
})

test('keys beside the configuration, in its folder, are left out', async (t) => {
  const files = { 'orthanc.json': configuration(), 'key.json': key, 'other-key.json': key }
  const { accounts, notices } = await load(t, configuration(), { files, path: '.' })
  t.equal(accounts.length, 1)
  t.match(notices, [
    /^key\.json is a Google credential \(service_account\), not a configuration: it was left out/,
    /^other-key/,
  ])
})

test('a folder with nothing but keys', async (t) => {
  const found = await problems(() => load(t, key, { path: '.' }))
  t.match(found, [/is a Google credential/])
})

test('a certificate in UTF-16', async (t) => {
  const found = await problems(() =>
    load(t, configuration({ HttpsCACertificates: 'ca.pem' }), {
      files: { 'ca.pem': '-\0-\0-\0-\0-\0B\0E\0G\0I\0N\0' },
    }),
  )
  t.match(found, [/^HttpsCACertificates: names a file that is encoded in UTF-16; save it as UTF-8/])
})
