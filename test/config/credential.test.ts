import { test } from 'tap'
import { configuration, load, location } from './settings-of.ts'

const inline = { AuthorizedUserClientId: 'i', AuthorizedUserClientSecret: 's', AuthorizedUserRefreshToken: 'r' }
const file = 'k/file.json'

const kinds: readonly [
  more: object,
  source: { kind: string; file?: string; [key: string]: unknown },
  notice?: RegExp,
][] = [
  [{ ServiceAccountFile: file }, { kind: 'service-account-file', file: '/srv/k/file.json' }],
  [{ ServiceAccountFile: '/etc/k.json' }, { kind: 'service-account-file', file: '/etc/k.json' }],
  [{ AuthorizedUserFile: file }, { kind: 'authorized-user-file', file: '/srv/k/file.json' }],
  [{ ExternalAccountFile: file }, { kind: 'external-account-file', file: '/srv/k/file.json' }],
  [inline, { kind: 'authorized-user', clientId: 'i', clientSecret: 's', refreshToken: 'r' }],
  [
    { ...inline, AuthorizedUserFile: file, ServiceAccountFile: 'sa' },
    { kind: 'service-account-file', file: '/srv/sa' },
    /Accounts\.a: ServiceAccountFile is used.*AuthorizedUserFile, AuthorizedUserClientId, .* have no effect/,
  ],
  [
    { AuthorizedUserFile: file, AuthorizedUserClientId: 'i' },
    { kind: 'authorized-user-file', file: '/srv/k/file.json' },
    /AuthorizedUserFile is used.*AuthorizedUserClientId has no effect/,
  ],
]

for (const [more, source, notice] of kinds) {
  test(`credential: ${Object.keys(more).join(', ')}`, async (t) => {
    const content = configuration({}, { Accounts: { a: { ...location, ...more } } })
    const folder = t.testdir({ 'orthanc.json': JSON.stringify(content) })
    const settings = await load(t, content, { path: `${folder}/orthanc.json`, workingDirectory: '/srv' })
    const otherFile = source.file?.startsWith('/srv') && source.file.replace('/srv', folder)
    const expected = { ...source, ...(otherFile && { otherFile }) }
    t.strictSame(settings.accounts[0]?.credential, { source: expected, impersonate: null })
    t.match(settings.notices, notice ? [notice] : [])
    t.equal(settings.notices.length, notice ? 1 : 0)
  })
}

const home = '/home/me/.config/gcloud/application_default_credentials.json'
const environments: readonly [environment: Record<string, string>, source: object][] = [
  [{}, { file: null, wellKnownFile: home, metadataHost: null }],
  [{ GOOGLE_APPLICATION_CREDENTIALS: '' }, { file: null, wellKnownFile: home }],
  [{ GOOGLE_APPLICATION_CREDENTIALS: '/k.json' }, { file: '/k.json', wellKnownFile: home }],
  [{ CLOUDSDK_CONFIG: '/gcloud' }, { file: null, wellKnownFile: '/gcloud/application_default_credentials.json' }],
  [{ GCE_METADATA_HOST: '127.0.0.1:8080' }, { file: null, metadataHost: '127.0.0.1:8080' }],
  [{ GCE_METADATA_IP: '127.0.0.1' }, { file: null, metadataHost: '127.0.0.1' }],
  [{ METADATA_SERVER_DETECTION: 'none' }, { metadataHost: null, withoutMetadataServer: true }],
  [{ GOOGLE_CLOUD_QUOTA_PROJECT: 'who-pays' }, { quotaProject: 'who-pays' }],
]

for (const [environment, expected] of environments) {
  test(`application default with ${JSON.stringify(environment)}`, async (t) => {
    const content = configuration({}, { Accounts: { a: { ...location, ApplicationDefault: true } } })
    const { source } = (await load(t, content, { environment })).accounts[0]?.credential ?? {}
    t.match(source, { kind: 'application-default', ...expected })
  })
}

test('a relative GOOGLE_APPLICATION_CREDENTIALS is one of the working directory', async (t) => {
  const content = configuration({}, { Accounts: { a: { ...location, ApplicationDefault: true } } })
  const settings = await load(t, content, { environment: { GOOGLE_APPLICATION_CREDENTIALS: 'k.json' } })
  t.match(settings.accounts, [{ credential: { source: { file: `${t.testdirName}/k.json` } } }])
})

test('a missing key file is no matter of the configuration', async (t) => {
  t.equal((await load(t, configuration())).accounts.length, 1)
})
