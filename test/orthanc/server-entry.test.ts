import { test } from 'tap'
import { configurationOf, type DesiredEntry, planOf } from '../../src/orthanc/server-entry.ts'

const wanted: DesiredEntry = { url: 'http://127.0.0.1:8043/a/', hasDelete: true, timeout: 600, login: null }
/** As plugin 1.7 shows an entry. */
const shown = { HttpHeaders: [], Pkcs11: false, Url: wanted.url, HasDelete: '1', Timeout: 600 }
const login = { username: 'u', password: 'p' }

test('an entry that is not there', async (t) => {
  t.same(planOf('a', wanted, undefined), {
    name: 'a',
    action: 'add',
    differences: [{ key: 'Url', from: '(not set)', to: wanted.url }],
    entry: { Url: wanted.url, HasDelete: '1', ChunkedTransfers: '1', Timeout: 600 },
  })
})

test('an entry that is as it should be', async (t) => {
  for (const seen of [
    shown,
    { ...shown, Url: 'http://127.0.0.1:8043/a' },
    { ...shown, HasDelete: true, ChunkedTransfers: true },
    { ...shown, ChunkedTransfers: '1' },
    { Url: wanted.url, HasDelete: 'true' },
    { ...shown, Timeout: '600', Username: '' },
  ]) {
    t.match(planOf('a', wanted, seen), { action: 'keep', differences: [] }, JSON.stringify(seen))
  }
})

test('each difference', async (t) => {
  for (const [seen, key, from, to] of [
    [{ Url: 'http://127.0.0.1:8043/b/' }, 'Url', 'http://127.0.0.1:8043/b/', wanted.url],
    [{ Url: undefined }, 'Url', '(not set)', wanted.url],
    [{ HasDelete: '0' }, 'HasDelete', '0', '1'],
    [{ ChunkedTransfers: '0' }, 'ChunkedTransfers', '0', '1'],
    [{ Timeout: 0 }, 'Timeout', '0', '600'],
    [{ Username: 'old', Password: null }, 'Username', 'old', '(not set)'],
    [{ HttpHeaders: ['Authorization'] }, 'HttpHeaders', 'Authorization', '(not set)'],
  ] as const) {
    const { action, differences } = planOf('a', wanted, { ...shown, ...seen })
    t.equal(action, 'change')
    t.same(differences, [{ key, from, to }])
  }
})

test('a password can’t be compared: it is written each time', async (t) => {
  const plan = planOf('a', { ...wanted, login }, { ...shown, Username: 'u', Password: null })
  t.match(plan, { action: 'change', differences: [], entry: { Username: 'u', Password: 'p' } })
})

test('what is not ours stays, but for what Orthanc does not show', async (t) => {
  const certificate = { CertificateFile: 'c.pem', CertificateKeyFile: 'c.key', CertificateKeyPassword: null }
  const { entry } = planOf('a', wanted, {
    ...shown,
    ...certificate,
    HttpHeaders: ['X-Y'],
    UserProperty: 'x',
    Timeout: 5,
  })
  t.same(entry, {
    Pkcs11: false,
    UserProperty: 'x',
    CertificateFile: 'c.pem',
    CertificateKeyFile: 'c.key',
    CertificateKeyPassword: '',
    Url: wanted.url,
    HasDelete: '1',
    ChunkedTransfers: '1',
    Timeout: 600,
  })
})

test('for orthanc.json', async (t) => {
  const entry = { Url: wanted.url, HasDelete: true, ChunkedTransfers: true, Timeout: 600 }
  t.same(configurationOf(wanted, 'PASSWORD'), entry)
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Orthanc replaces it
  t.same(configurationOf({ ...wanted, login }, 'PASSWORD'), { ...entry, Username: 'u', Password: '${PASSWORD}' })
})
