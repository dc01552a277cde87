import { readFileSync } from 'node:fs'
import { test } from 'tap'
import type { CredentialSource } from '../../src/config/settings.ts'
import { createFetchToken } from '../../src/credentials/fetch-token.ts'
import { openConnections } from '../../src/forward/connections.ts'
import { good } from '../config/samples.ts'
import { accessTo, everySource, outgoingDirect, readJson, startIssuer } from './issuer.ts'

const hour = 3_600_000

/** The configuration key of each kind; one that is forgotten here doesn't compile. */
const keys = {
  'service-account-file': 'ServiceAccountFile',
  'authorized-user-file': 'AuthorizedUserFile',
  'authorized-user': 'AuthorizedUserRefreshToken',
  'external-account-file': 'ExternalAccountFile',
  'application-default': 'ApplicationDefault',
} satisfies Record<CredentialSource['kind'], string>

test('every kind of credential is tested here and in test/config, and is documented', async (t) => {
  const { emulator, files } = await startIssuer(t)
  const tested = Object.values(everySource(emulator, files)).map(([source]) => source.kind)
  const samples = JSON.stringify(good)
  const pages = ['credentials', 'configuration'].map((page) =>
    readFileSync(new URL(`../../docs/${page}.md`, import.meta.url), 'utf8'),
  )
  for (const [kind, key] of Object.entries(keys)) {
    t.ok(
      tested.some((one) => one === kind),
      `everySource has ${kind}`,
    )
    t.ok(samples.includes(`"${key}":`), `test/config/samples.ts has ${key}`)
    for (const page of pages) t.match(page, key)
  }
})

test('every kind of credential gets a token that the DICOM store takes for the right identity', async (t) => {
  const { emulator, files, fetchToken, identityOf } = await startIssuer(t)
  for (const [kind, [source, identity]] of Object.entries(everySource(emulator, files))) {
    t.test(kind, async (t) => {
      const before = Date.now()
      const token = await fetchToken(source)
      t.equal(await identityOf(token), identity)
      t.ok(token.expiresAt > before + hour - 10_000 && token.expiresAt <= Date.now() + hour, 'it lives an hour')
      t.notHas(token, { quotaProject: String })
    })
    t.test(`${kind}, and impersonation`, async (t) => {
      const before = emulator.tokenRequests.impersonation
      const token = await fetchToken(source, { impersonate: files.impersonatedEmail })
      t.equal(await identityOf(token), files.impersonatedEmail)
      t.ok(emulator.tokenRequests.impersonation > before)
      t.ok(token.expiresAt > Date.now() + hour - 10_000)
    })
  }
})

test('an authorized user’s file as gcloud prints it has no type', async (t) => {
  const { files, write, fetchToken, failure, identityOf } = await startIssuer(t)
  const { type, ...printed } = await readJson(files.authorizedUserFile)
  t.equal(type, 'authorized_user')
  const file = await write('printed.json', { ...printed, token: 'ya29.old', expiry: { datetime: '2026-01-01' } })
  t.equal(await identityOf(await fetchToken({ kind: 'authorized-user-file', file })), files.authorizedUser.email)
  const applicationDefault = { kind: 'application-default', file, wellKnownFile: null, metadataHost: null } as const
  t.equal(await identityOf(await fetchToken(applicationDefault)), files.authorizedUser.email)
  t.match(await failure({ kind: 'service-account-file', file }), /has no "type" that this proxy knows/)
})

test('Application Default Credentials are looked for in Google’s order', async (t) => {
  const { emulator, files, fetchToken, failure, identityOf } = await startIssuer(t)
  const { metadataHost } = emulator
  const all = {
    kind: 'application-default',
    file: files.serviceAccountFile,
    wellKnownFile: files.authorizedUserFile,
    metadataHost,
  } as const
  t.equal(await identityOf(await fetchToken(all)), files.serviceAccountEmail)
  t.equal(await identityOf(await fetchToken({ ...all, file: null })), files.authorizedUser.email)
  t.equal(await identityOf(await fetchToken({ ...all, file: null, wellKnownFile: null })), emulator.metadataEmail)

  t.comment('a file that is named must be there: another identity would be a surprise')
  t.match(await failure({ ...all, file: '/nonexistent/key.json' }), /key\.json does not exist/)
})

test('a file is read for each token: one that was replaced is used by itself', async (t) => {
  const { emulator, files, write, identityOf } = await startIssuer(t)
  const file = await write('key.json', await readJson(files.authorizedUserFile))
  const connections = openConnections(outgoingDirect)
  t.teardown(() => connections.close())
  const source = { kind: 'application-default', file, wellKnownFile: null, metadataHost: null } as const
  const fetchToken = createFetchToken({ source, impersonate: null }, accessTo(emulator, connections))
  t.equal(await identityOf(await fetchToken()), files.authorizedUser.email)
  await write('key.json', await readJson(files.serviceAccountFile))
  t.equal(await identityOf(await fetchToken()), files.serviceAccountEmail)
})

test('each call asks the issuer once', async (t) => {
  const { emulator, files, fetchToken } = await startIssuer(t)
  for (const [kind, [source]] of Object.entries(everySource(emulator, files))) {
    const requests = /imperson/.test(kind) ? 2 : 1
    const before = emulator.tokenRequests.total
    await Promise.all([fetchToken(source), fetchToken(source)])
    t.equal(emulator.tokenRequests.total - before, 2 * requests, kind)
  }
})

test('the scope asked for is the least: only who impersonates another needs cloud-platform', async (t) => {
  const { emulator, files, fetchToken } = await startIssuer(t)
  const source = { kind: 'application-default', file: null, wellKnownFile: null, metadataHost: emulator.metadataHost }
  const scopes = () => new URL(emulator.log.at(-1)?.target ?? '', emulator.url).searchParams.get('scopes')
  await fetchToken(source as never)
  t.equal(scopes(), 'https://www.googleapis.com/auth/cloud-healthcare')
  emulator.faults.add({ target: 'token', grant: 'impersonation', status: 403 })
  await t.rejects(fetchToken(source as never, { impersonate: files.impersonatedEmail }))
  const asked = emulator.log.filter(({ target }) => target.includes('service-accounts')).at(-1)
  t.match(decodeURIComponent(asked?.target ?? ''), /scopes=https:\/\/www\.googleapis\.com\/auth\/cloud-platform$/)
})

test('the quota project of a file comes with its token', async (t) => {
  const { emulator, files, write, fetchToken } = await startIssuer(t)
  const named = {
    serviceAccountFile: 'service-account-file',
    authorizedUserFile: 'authorized-user-file',
    externalAccountFile: 'external-account-file',
    externalAccountImpersonationFile: 'external-account-file',
    impersonatedServiceAccountFile: null,
  } as const
  for (const [name, kind] of Object.entries(named)) {
    const content = await readJson(files[name as keyof typeof named])
    const file = await write(`quota-${name}.json`, { ...content, quota_project_id: 'who-pays' })
    const applicationDefault = { kind: 'application-default', file, wellKnownFile: null, metadataHost: null } as const
    t.match(await fetchToken(applicationDefault), { quotaProject: 'who-pays' }, name)
    if (kind) t.match(await fetchToken({ kind, file }), { quotaProject: 'who-pays' }, `${name}, ${kind}`)
  }
  const { metadataHost } = emulator
  const machine = { kind: 'application-default', file: null, wellKnownFile: null, metadataHost } as const
  t.notHas(await fetchToken(machine), { quotaProject: String })
})
