import { test } from 'tap'
import { applicationDefault } from '../../src/config/credential.ts'
import type { CredentialSource } from '../../src/config/settings.ts'
import { readJson, startIssuer } from '../credentials/issuer.ts'

const external = (file: string): CredentialSource => ({ kind: 'external-account-file', file })
const ofFile = (file: string): CredentialSource => ({
  kind: 'application-default',
  file,
  wellKnownFile: null,
  metadataHost: null,
})

// `gcloud auth application-default login --login-config` writes this file for a workforce pool. It
// had "no type that this proxy knows", and the advice was to use the file as Google had given it.
test('a user of a workforce pool', async (t) => {
  const { emulator, files, write, fetchToken, failure, identityOf } = await startIssuer(t)
  const user = await readJson(files.workforceUserFile)

  t.test('as the source of an impersonation, on its quota project', async (t) => {
    const impersonated = await readJson(files.impersonatedServiceAccountFile)
    const source_credentials = { ...user, quota_project_id: 'who-pays' }
    const file = await write('impersonated.json', { ...impersonated, source_credentials })
    t.equal(await identityOf(await fetchToken(ofFile(file))), files.impersonatedEmail)
    const asked = emulator.log.find(({ target }) => target.endsWith(':generateAccessToken'))
    t.equal(asked?.headers['x-goog-user-project'], 'who-pays')
  })

  t.test('whose login has ended', async (t) => {
    const file = await write('ended.json', { ...user, refresh_token: 'a-refresh-token-that-was-revoked' })
    const message = await failure(external(file))
    t.match(message, /invalid_grant.*Sign in again: gcloud auth application-default login --login-config=FILE$/)
    t.notMatch(message, /a-refresh-token/)
  })

  t.test('whose client is another', async (t) => {
    const file = await write('client.json', { ...user, client_secret: 'wrong-secret' })
    const message = await failure(external(file))
    t.match(message, /^The token endpoint returned 401 \(invalid_client: Unauthorized\)/)
    t.notMatch(message, /wrong-secret/)
  })

  t.test('in the place of another kind', async (t) => {
    const message = await failure({ kind: 'authorized-user-file', file: files.workforceUserFile })
    t.match(message, /is of type external_account_authorized_user\. Name it under ExternalAccountFile/)
  })

  t.test('that names another place for its tokens', async (t) => {
    const asked: string[] = []
    const recorded: typeof fetch = async (input) => {
      asked.push(String(input))
      throw new TypeError('fetch failed')
    }
    const access = { fetch: recorded, fetchDirect: recorded, allowedHosts: [] }
    const refused = {
      'https://elsewhere.example/v1/oauthtoken': /names elsewhere\.example in "token_url"/,
      'https://storage.googleapis.com/bucket':
        /that is not Google's Security Token Service \(https:\/\/sts\.googleapis\.com\/v1\/oauthtoken\)/,
      'https://sts.googleapis.com/v1/token': /that is not Google's Security Token Service/,
      'https://sts.googleapis.com/v1/oauthtoken?x=y': /that is not Google's Security Token Service/,
      'http://sts.googleapis.com/v1/oauthtoken': /which is not Google's/,
    }
    for (const [token_url, sentence] of Object.entries(refused)) {
      const file = await write('elsewhere.json', { ...user, token_url })
      t.match(await failure(external(file), { access }), sentence, token_url)
    }
    const { token_url: _, ...usual } = user
    for (const content of [
      usual,
      { ...user, token_url: 'https://sts.europe-west4.rep.googleapis.com/v1/oauthtoken' },
    ]) {
      await failure(external(await write('google.json', content)), { access })
    }
    t.same(asked, [
      'https://sts.googleapis.com/v1/oauthtoken',
      'https://sts.europe-west4.rep.googleapis.com/v1/oauthtoken',
    ])
  })
})

// The advice was ApplicationDefault, which says nothing in a file; to use the file as Google gave
// it; and to trust the "host" of a metadata service.
test('credentials of other kinds have words of their own', async (t) => {
  const { files, write, failure } = await startIssuer(t)
  const impersonated = await readJson(files.impersonatedServiceAccountFile)
  const azure = {
    url: 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://google',
    headers: { Metadata: 'True' },
    format: { type: 'json', subject_token_field_name: 'access_token' },
  }
  const said = {
    'impersonates an account by way of another impersonation. Name the accounts in between in "delegates", and put the credential at the beginning of the chain into "source_credentials".':
      { ...impersonated, source_credentials: impersonated },
    'is a service account of Google Distributed Cloud (gdch_service_account), which has no Cloud Healthcare API. Use a credential of the Google Cloud project that the DICOM store is in.':
      { type: 'gdch_service_account', format_version: '1', project: 'p', name: 'n' },
    'gets its token from the metadata service of AWS or Azure (169.254.169.254). If the proxy runs there, add 169.254.169.254 to GoogleCloudPlatform.AllowedCredentialHosts.':
      { ...(await readJson(files.externalAccountFile)), credential_source: azure },
  }
  for (const [sentence, content] of Object.entries(said)) {
    const file = await write('other.json', content)
    t.equal(await failure(ofFile(file)), `Credential file ${file} ${sentence}`)
  }
})

test('variables of Google’s libraries', async (t) => {
  const { emulator, files, write, fetchToken, failure, identityOf } = await startIssuer(t)
  const sourceWith = (environment: Record<string, string>) =>
    applicationDefault({ environment, workingDirectory: '/', homeDirectory: '/nonexistent' })

  t.test('GOOGLE_CLOUD_QUOTA_PROJECT goes before the file', async (t) => {
    const content = await readJson(files.authorizedUserFile)
    const GOOGLE_APPLICATION_CREDENTIALS = await write('user.json', { ...content, quota_project_id: 'of-the-file' })
    const source = sourceWith({ GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_CLOUD_QUOTA_PROJECT: 'who-pays' })
    t.match(await fetchToken(source), { quotaProject: 'who-pays' })
    t.match(await fetchToken(source, { impersonate: files.impersonatedEmail }), { quotaProject: 'who-pays' })
    const unusable = sourceWith({ GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_CLOUD_QUOTA_PROJECT: 'wer\nzahlt' })
    t.match(await failure(unusable), /^GOOGLE_CLOUD_QUOTA_PROJECT is not the name of a project\. /)
  })

  t.test('GCE_METADATA_HOST and GCE_METADATA_IP name the metadata server', async (t) => {
    const { metadataHost } = emulator
    for (const environment of [
      { GCE_METADATA_HOST: metadataHost },
      { GCE_METADATA_HOST: `http://${metadataHost}/` },
      { GCE_METADATA_IP: metadataHost },
      { GCE_METADATA_HOST: metadataHost, GCE_METADATA_IP: '127.0.0.1:1' },
    ]) {
      const token = await fetchToken(sourceWith(environment))
      t.equal(await identityOf(token), emulator.metadataEmail, JSON.stringify(environment))
    }
    const nobody = await failure(sourceWith({ GCE_METADATA_IP: '127.0.0.1:1' }))
    t.match(
      nobody,
      /no metadata server responds at 127\.0\.0\.1:1, which GCE_METADATA_HOST or GCE_METADATA_IP names\. Correct/,
    )
  })

  t.test('METADATA_SERVER_DETECTION=none turns it off', async (t) => {
    const before = emulator.log.length
    const GCE_METADATA_HOST = emulator.metadataHost
    const said = await failure(sourceWith({ GCE_METADATA_HOST, METADATA_SERVER_DETECTION: ' None' }))
    t.match(said, /METADATA_SERVER_DETECTION=none turns the metadata server off\..*remove METADATA_SERVER_DETECTION/)
    t.equal(emulator.log.length, before, 'nobody was asked')
    t.ok(await fetchToken(sourceWith({ GCE_METADATA_HOST, METADATA_SERVER_DETECTION: 'assume-present' })))
  })
})
