import { test } from 'tap'
import { leftAlone } from '../../src/orthanc/registration.ts'
import {
  configurationOf,
  type DesiredEntry,
  planOf as planFor,
  type SeenEntry,
} from '../../src/orthanc/server-entry.ts'
import { shownUrl } from '../../src/orthanc/shown-url.ts'

const wanted: DesiredEntry = {
  url: 'http://127.0.0.1:8043/a/',
  hasDelete: true,
  timeout: 600,
  login: null,
  certificate: null,
}
const planOf = (name: string, desired: DesiredEntry, seen: SeenEntry | undefined, httpTimeout = 60) =>
  planFor(name, desired, seen, httpTimeout)
/** As plugin 1.7 shows an entry. */
const shown = { HttpHeaders: [], Pkcs11: false, Url: wanted.url, HasDelete: '1', Timeout: 600 }
const login = { username: 'u', password: 'p' }

test('an entry that is not there', async (t) => {
  t.same(planOf('a', wanted, undefined), {
    name: 'a',
    action: 'add',
    differences: [{ key: 'Url', from: '(not set)', to: wanted.url }],
    hidden: [],
    hasLogin: false,
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
    // A longer limit, somebody's login, and what that may do.
    { ...shown, Timeout: 3600 },
    { ...shown, Username: 'old', Password: null, HasDelete: '0' },
    { ...shown, CertificateFile: 'c.pem', CertificateKeyFile: null, CertificateKeyPassword: null, HasDelete: '0' },
    { ...shown, HttpHeaders: ['Authorization'] },
    { ...shown, HasWadoRsUniversalTransferSyntax: 'True' },
  ]) {
    t.match(planOf('a', wanted, seen), { action: 'keep', differences: [] }, JSON.stringify(seen))
  }
})

test('the names of the same machine are one', async (t) => {
  for (const host of ['localhost', '127.0.0.1', '[::1]', 'LOCALHOST']) {
    t.match(planOf('a', wanted, { ...shown, Url: `http://${host}:8043/a/` }), { action: 'keep' }, host)
  }
  for (const Url of [
    'http://localhost:8044/a/',
    'http://localhost:8043/b/',
    'https://localhost:8043/a/',
    'http://h:8043/a/',
  ])
    t.match(planOf('a', wanted, { ...shown, Url }), { differences: [{ key: 'Url' }] }, Url)
})

test('each difference', async (t) => {
  for (const [seen, key, from, to] of [
    [{ Url: 'http://127.0.0.1:8043/b/' }, 'Url', 'http://127.0.0.1:8043/b/', wanted.url],
    [{ Url: undefined }, 'Url', '(not set)', wanted.url],
    [{ HasDelete: '0' }, 'HasDelete', '0', '1'],
    [{ ChunkedTransfers: '0' }, 'ChunkedTransfers', '0', '1'],
    [{ Timeout: 0 }, 'Timeout', '0', '600'],
    [{ HasWadoRsUniversalTransferSyntax: '0' }, 'HasWadoRsUniversalTransferSyntax', '0', '1'],
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

const storePath = '/v1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb'

test('an entry of the old plugin is replaced, without its token', async (t) => {
  for (const Url of [
    `https://healthcare.googleapis.com${storePath}`,
    `https://healthcare.europe-west3.rep.googleapis.com${storePath}/`,
    `http://gateway.example:8080${storePath}`,
  ]) {
    const seen = { Url, HasDelete: '1', HttpHeaders: ['Authorization'] }
    const { action, differences, entry } = planOf('a', { ...wanted, baseUrl: 'http://gateway.example:8080/v1/' }, seen)
    t.equal(action, 'change')
    t.match(differences, [{ key: 'Url' }, { key: 'HttpHeaders', from: 'Authorization', to: '(not set)' }])
    t.equal(entry.HttpHeaders, undefined)
  }
})

test('an entry that only looks like the old plugin’s loses nothing', async (t) => {
  const token = { HttpHeaders: ['Authorization'] }
  for (const [seen, lost] of [
    [{ ...token, Url: 'https://pacs.example/dicomWeb' }, ['HttpHeaders.Authorization']],
    [{ ...token, Url: `https://pacs.example${storePath}` }, ['HttpHeaders.Authorization']],
    [{ ...token, Url: `https://googleapis.com.example${storePath}` }, ['HttpHeaders.Authorization']],
    [{ ...token, Url: 'https://healthcare.googleapis.com/dicomWeb' }, ['HttpHeaders.Authorization']],
    [
      {
        Url: `https://healthcare.googleapis.com${storePath}`,
        HttpHeaders: ['Authorization', 'X-Site'],
        Username: 'u',
        CertificateFile: 'c.pem',
      },
      ['CertificateKeyFile', 'Password', 'HttpHeaders.X-Site'],
    ],
  ] as const) {
    t.match(planOf('a', wanted, seen), { action: 'leave', hidden: lost }, seen.Url)
  }
})

const hidden = {
  certificate: { CertificateFile: 'c.pem', CertificateKeyFile: null, CertificateKeyPassword: null },
  password: { Username: 'old', Password: null },
  headers: { HttpHeaders: ['X-Y', 'Authorization'] },
}
const certificate = { certificateFile: 'new.pem', keyFile: 'new.key' }

test('what Orthanc does not show is never lost: the entry is left as it is', async (t) => {
  for (const [own, given, seen, lost] of [
    [null, null, hidden.certificate, ['CertificateKeyFile']],
    [login, null, hidden.certificate, ['CertificateKeyFile']],
    [null, null, hidden.password, ['Password']],
    [null, null, hidden.headers, ['HttpHeaders.X-Y', 'HttpHeaders.Authorization']],
    [login, null, hidden.headers, ['HttpHeaders.X-Y']],
    [null, certificate, hidden.headers, ['HttpHeaders.X-Y']],
  ] as const) {
    const plan = planOf('a', { ...wanted, login: own, certificate: given }, { ...shown, ...seen, Timeout: 60 })
    t.match(plan, { action: 'leave', hidden: lost, hasLogin: true })
  }
})

test('a login in the Url is hidden like others, and never shown', async (t) => {
  const Url = 'http://anna:secret@127.0.0.1:8043/a/?key=secret#secret'
  const plan = planOf('a', wanted, { ...shown, Url, Timeout: 60 })
  t.match(plan, { action: 'leave', hidden: ['Url (login)'], hasLogin: true })
  t.notMatch(JSON.stringify([plan.differences, leftAlone('http://o', plan)]), /secret|anna/)
  t.match(planOf('a', wanted, { ...shown, Url: 'http://anna:secret@127.0.0.1:8043/a/' }), { action: 'keep' })
  const replaced = planOf('a', { ...wanted, login }, { ...shown, Url: 'http://u:secret@127.0.0.1:8043/a/' })
  t.match(replaced, { action: 'change', differences: [{ key: 'Url', from: 'http://***@127.0.0.1:8043/a/' }, {}] })
  for (const [url, seen] of [
    ['http://h/a?key=s', 'http://h/a'],
    ['http://token@h:1/a/', 'http://***@h:1/a/'],
    ['u:secret@h', '(not an address)'],
    [undefined, '(not set)'],
  ] as const) {
    t.equal(shownUrl(url), seen)
  }
})

test('a given password is not passed over where it can’t be written', async (t) => {
  const seen = { ...shown, Username: 'u', Password: null, HttpHeaders: ['X-Site'] }
  const plan = planOf('a', { ...wanted, login }, seen)
  t.match(plan, { action: 'leave', differences: [], hidden: ['HttpHeaders.X-Site'] })
  t.match(leftAlone('http://o', plan).problem, /Its password can't be compared, .* losing its HttpHeaders\.X-Site\./)
  const own = { ...shown, CertificateFile: certificate.certificateFile, HttpHeaders: ['X-Site'] }
  t.match(planOf('a', { ...wanted, certificate }, own), { action: 'leave', differences: [] })
})

test('what is given replaces it', async (t) => {
  const byCertificate = { ...wanted, hasDelete: false, certificate }
  const seen = { ...shown, ...hidden.certificate }
  const { action, differences, entry } = planOf('a', byCertificate, seen)
  t.equal(action, 'change')
  t.same(
    differences.map(({ key }) => key),
    ['HasDelete', 'CertificateFile'],
  )
  t.match(entry, { CertificateFile: 'new.pem', CertificateKeyFile: 'new.key', CertificateKeyPassword: '' })
  t.equal(planOf('a', byCertificate, { ...shown, ...hidden.password }).action, 'change')
  t.equal(planOf('a', { ...wanted, login: login }, { ...shown, ...hidden.password }).entry.Password, 'p')
})

test('what is not ours stays', async (t) => {
  const { entry } = planOf('a', wanted, { ...shown, UserProperty: 'x', Timeout: 5 })
  t.same(entry, {
    Pkcs11: false,
    UserProperty: 'x',
    Url: wanted.url,
    HasDelete: '1',
    ChunkedTransfers: '1',
    Timeout: 600,
  })
})

test('a longer time limit is never lowered', async (t) => {
  const elsewhere = { ...shown, Url: 'http://127.0.0.1:1/a/' }
  for (const [own, httpTimeout, written] of [
    [3600, 60, 3600],
    [0, 60, 600],
    [0, 3600, 0],
    [0, Number.POSITIVE_INFINITY, 0],
    [60, Number.POSITIVE_INFINITY, 600],
  ] as const) {
    t.equal(planOf('a', wanted, { ...elsewhere, Timeout: own }, httpTimeout).entry.Timeout, written)
  }
})

test('for orthanc.json', async (t) => {
  const entry = { Url: wanted.url, HasDelete: true, ChunkedTransfers: true, Timeout: 600 }
  t.same(configurationOf(wanted, 'PASSWORD'), entry)
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Orthanc replaces it
  t.same(configurationOf({ ...wanted, login }, 'PASSWORD'), { ...entry, Username: 'u', Password: '${PASSWORD}' })
})
