import { test } from 'tap'
import type { CredentialSource } from '../../src/config/settings.ts'
import { readJson, startIssuer } from '../credentials/issuer.ts'

const bucket = 'https://storage.googleapis.com/upload/storage/v1/b/BUCKET/o?uploadType=media&name=x'
const impersonate = 'v1/projects/-/serviceAccounts/a%40p.iam.gserviceaccount.com:generateAccessToken'

/**
 * A credential file could name any address at Google: with the upload of somebody's bucket as its
 * `token_url`, and any file that the proxy may read as its subject token, that file would have been
 * posted there.
 */
test('credential files send their secrets to Google’s STS and IAM Credentials API, and to no other place there', async (t) => {
  const { emulator, files, write, fetchToken, failure } = await startIssuer(t)
  const asked: string[] = []
  const recorded: typeof fetch = async (input, init) => {
    asked.push(`${init?.method} ${String(input)}`)
    return Response.json({ access_token: 'federated', expires_in: 3600, token_type: 'Bearer' })
  }
  const access = { fetch: recorded, fetchDirect: recorded, allowedHosts: [] as string[] }
  const external = { ...(await readJson(files.externalAccountFile)), token_url: 'https://sts.googleapis.com/v1/token' }
  const impersonated = await readJson(files.impersonatedServiceAccountFile)
  type Place = (url: string) => readonly [kind: 'external-account-file' | 'application-default', content: object]
  const places: Readonly<Record<string, Place>> = {
    token_url: (url) => ['external-account-file', { ...external, token_url: url }],
    service_account_impersonation_url: (url) => [
      'external-account-file',
      { ...external, service_account_impersonation_url: url },
    ],
    'service_account_impersonation_url of an impersonated service account': (url) => [
      'application-default',
      { ...impersonated, service_account_impersonation_url: url },
    ],
  }
  const source = async (place: Place, url: string): Promise<CredentialSource> => {
    const [kind, content] = place(url)
    const file = await write('credential.json', content)
    if (kind === 'external-account-file') return { kind, file }
    return { kind, file, wellKnownFile: null, metadataHost: null }
  }

  const refused = [
    bucket,
    'https://storage.googleapis.com/v1/token',
    'https://sts.googleapis.com/',
    'https://sts.googleapis.com/v1/introspect',
    'https://sts.googleapis.com/v1/token/',
    'https://sts.googleapis.com/v1/token?',
    'https://sts.googleapis.com/v1/token?a=b',
    'https://sts.googleapis.com/v1/token#a',
    'https://sts.googleapis.com/v1/tokens',
    'https://sts.googleapis.com/v1beta/token',
    'https://sts.googleapis.com/a/../v1/token/..',
    'https://sts.storage.evil.googleapis.com/v1/token',
    'https://sts.googleapis.com.storage.googleapis.com/v1/token',
    'https://iamcredentials.googleapis.com/v1/token',
    `https://sts.googleapis.com/${impersonate}`,
    'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p:signBlob',
    'https://iamcredentials.googleapis.com/v1/projects/p/serviceAccounts/a@p:generateAccessToken',
    'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a%2F..%2Fb:generateAccessToken',
    'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/:generateAccessToken',
    `https://iamcredentials.googleapis.com/${impersonate}?alt=media`,
    `https://iamcredentials.googleapis.com/${impersonate}#a`,
    `https://storage.googleapis.com/${impersonate}`,
  ]
  for (const [member, place] of Object.entries(places)) {
    for (const url of refused) {
      const said = await failure(await source(place, url), { access })
      t.match(said, /names something at \S+\.googleapis\.com in "\w+" that is not Google's /, `${member}: ${url}`)
    }
  }
  t.same(asked, [], 'nobody was asked')

  const regional = ['sts', 'sts.europe-west4.rep', 'sts.mtls', 'europe-west4-sts', 'sts-mine.p']
  for (const host of regional) {
    await fetchToken(await source(places.token_url as Place, `https://${host}.googleapis.com/v1/token`), { access })
  }
  t.same(
    asked,
    regional.map((host) => `POST https://${host}.googleapis.com/v1/token`),
    'STS, as Google’s own libraries know it',
  )
  asked.length = 0
  for (const host of regional.map((each) => each.replace('sts', 'iamcredentials'))) {
    const url = `https://${host}.googleapis.com/${impersonate}`
    await fetchToken(await source(places.service_account_impersonation_url as Place, url), { access }).catch(() => {})
    t.equal(asked.at(-1), `POST ${url}`)
  }

  t.comment('an administrator may allow a host, and so every place there')
  asked.length = 0
  const allowed = { ...access, allowedHosts: ['storage.googleapis.com'] }
  await fetchToken(await source(places.token_url as Place, bucket), { access: allowed })
  t.same(asked, [`POST ${bucket}`])
  t.ok(emulator.url)
})
