import { readFile, writeFile } from 'node:fs/promises'
import {
  IdentityPoolClient,
  type IdentityPoolClientOptions,
  Impersonated,
  UserRefreshClient,
} from 'google-auth-library'
import { test } from 'tap'
import { postForm, startSession } from './session.ts'

const healthcare = 'https://www.googleapis.com/auth/cloud-healthcare'

async function externalAccount(file: string): Promise<IdentityPoolClientOptions> {
  return { ...JSON.parse(await readFile(file, 'utf8')), scopes: [healthcare] }
}

test('workload identity federation', async (t) => {
  const session = await startSession(t)
  const { emulator, credentials } = session
  const works = async (token: string | null | undefined) => {
    const headers = { authorization: `Bearer ${token}` }
    return (await fetch(`${emulator.dicomWebUrl()}/studies`, { headers })).status
  }

  t.test('subject token from a file', async (t) => {
    const client = new IdentityPoolClient(await externalAccount(credentials.externalAccountFile))
    t.equal(await works((await client.getAccessToken()).token), 204)
  })

  t.test('subject token from a URL', async (t) => {
    const client = new IdentityPoolClient(await externalAccount(credentials.externalAccountUrlFile))
    t.equal(await works((await client.getAccessToken()).token), 204)
  })

  t.test('with impersonation on top', async (t) => {
    const client = new IdentityPoolClient(await externalAccount(credentials.externalAccountImpersonationFile))
    const before = emulator.tokenRequests.impersonation
    t.equal(await works((await client.getAccessToken()).token), 204)
    t.equal(emulator.tokenRequests.impersonation, before + 1)
  })

  t.test('the exchange checks what it is given', async (t) => {
    const good = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      audience: credentials.workload.audience,
      scope: healthcare,
      subject_token: await readFile(credentials.subjectTokenFile, 'utf8'),
    }
    t.match(await (await postForm(emulator.stsUrl, good)).json(), {
      access_token: /^ya29\./,
      issued_token_type: good.requested_token_type,
      token_type: 'Bearer',
      expires_in: Number,
    })
    const [header, claims] = good.subject_token.split('.')
    const wrong: [Record<string, string>, string][] = [
      [{ audience: '//iam.googleapis.com/projects/1/other' }, 'invalid_target'],
      [{ subject_token: `${header}.${claims}.${'A'.repeat(342)}` }, 'invalid_grant'],
      [{ subject_token: 'nonsense' }, 'invalid_grant'],
      [{ subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, 'invalid_request'],
      [{ requested_token_type: 'x' }, 'invalid_request'],
      [{ grant_type: 'x' }, 'unsupported_grant_type'],
      [{ scope: 'x' }, 'invalid_scope'],
    ]
    for (const [change, error] of wrong) {
      const response = await postForm(emulator.stsUrl, { ...good, ...change })
      t.same([response.status, ((await response.json()) as { error: string }).error], [400, error])
    }
  })

  t.test('a file that is no subject token', async (t) => {
    const file = `${t.testdir()}/subject-token`
    await writeFile(file, 'nonsense')
    const options = await externalAccount(credentials.externalAccountFile)
    const client = new IdentityPoolClient({ ...options, credential_source: { file } } as IdentityPoolClientOptions)
    await t.rejects(client.getAccessToken(), { message: /invalid_grant/ })
  })
})

test('impersonation', async (t) => {
  const { emulator, credentials } = await startSession(t, { tokenLifetime: 1800 })
  const { clientId, clientSecret, refreshToken } = credentials.authorizedUser
  const sourceClient = new UserRefreshClient({
    clientId,
    clientSecret,
    refreshToken,
    transporterOptions: {
      fetchImplementation: (url: string | URL | Request, init?: RequestInit) =>
        fetch(String(url).includes('oauth2.googleapis.com') ? emulator.tokenUrl : url, init),
    },
  })
  const impersonated = (targetPrincipal: string, lifetime = 3600) =>
    new Impersonated({
      sourceClient,
      targetPrincipal,
      lifetime,
      targetScopes: [healthcare],
      endpoint: emulator.iamCredentialsUrl.slice(0, -1),
    })

  const client = impersonated(credentials.impersonatedEmail, 600)
  const before = Date.now()
  const { token } = await client.getAccessToken()
  t.match(token, /^ya29\./)
  const lifetime = ((client.credentials.expiry_date ?? 0) - before) / 1000
  t.ok(lifetime > 590 && lifetime < 605, `expires in ${lifetime} s, as asked`)

  await t.rejects(impersonated('nobody@example.com').getAccessToken(), { message: /PERMISSION_DENIED/ })
  await t.rejects(impersonated(credentials.impersonatedEmail, 7200).getAccessToken(), { message: /INVALID_ARGUMENT/ })
  emulator.denyImpersonation(credentials.authorizedUser.email, credentials.impersonatedEmail)
  await t.rejects(impersonated(credentials.impersonatedEmail).getAccessToken(), { message: /PERMISSION_DENIED/ })
})
