import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { JWT, UserRefreshClient } from 'google-auth-library'
import { test } from 'tap'
import { signJwt } from '../../src/emulator/oauth/jwt.ts'
import { postForm, startSession } from './session.ts'

const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const healthcare = 'https://www.googleapis.com/auth/cloud-healthcare'

test('service accounts', async (t) => {
  const { emulator, credentials } = await startSession(t)
  const key = JSON.parse(await readFile(credentials.serviceAccountFile, 'utf8'))
  const transporterOptions = {
    fetchImplementation: (_url: unknown, init?: RequestInit) => fetch(emulator.tokenUrl, init),
  }
  const { privateKey: otherKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ownKey = createPrivateKey(key.private_key)
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: key.client_email,
    scope: healthcare,
    aud: 'https://oauth2.googleapis.com/token',
    iat: now,
    exp: now + 3600,
  }
  const exchange = async (assertion: string) => {
    const response = await postForm(emulator.tokenUrl, { grant_type: jwtBearer, assertion })
    return { status: response.status, ...((await response.json()) as { access_token?: string; error?: string }) }
  }

  t.test("google-auth-library's own JWT client gets a token that a store accepts", async (t) => {
    const client = new JWT({ email: key.client_email, key: key.private_key, scopes: [healthcare], transporterOptions })
    const before = Date.now()
    const { token } = await client.getAccessToken()
    t.match(token, /^ya29\./)
    const lifetime = ((client.credentials.expiry_date ?? 0) - before) / 1000
    t.ok(lifetime > 3590 && lifetime < 3605, `expires in ${lifetime} s`)
    const response = await fetch(`${emulator.dicomWebUrl()}/studies`, { headers: { authorization: `Bearer ${token}` } })
    t.equal(response.status, 204, 'nothing is stored')
  })

  t.test('another key is refused', async (t) => {
    const pem = otherKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const client = new JWT({ email: key.client_email, key: pem, scopes: [healthcare], transporterOptions })
    await t.rejects(client.getAccessToken(), { message: /invalid_grant.*Signature/ })
  })

  const refusals = {
    'an unknown account': [{ iss: 'nobody@example.com' }, 'invalid_grant', /account not found/],
    'an audience that is not the token endpoint': [{ aud: 'https://example.com' }, 'invalid_grant', /audience/],
    'a lifetime of more than an hour': [{ exp: now + 3700 }, 'invalid_grant', /60 minutes/],
    'a clock that is an hour late': [{ iat: now - 7200, exp: now - 3600 }, 'invalid_grant', /60 minutes/],
    'a clock that is an hour early': [{ iat: now + 3600, exp: now + 7200 }, 'invalid_grant', /60 minutes/],
    'no scope': [{ scope: '' }, 'invalid_scope', /scope/],
    'a scope that is none of Google': [{ scope: 'https://example.com/auth/x' }, 'invalid_scope', /scope/],
  } as const
  for (const [name, [wrong, error, description]] of Object.entries(refusals)) {
    t.test(`refused: ${name}`, async (t) => {
      const result = await exchange(signJwt({ ...claims, ...wrong }, ownKey, key.private_key_id))
      t.match(result, { status: 400, error, error_description: description })
    })
  }

  t.test('refused: a key id that is not the account’s, a token that is no JWT, an unknown grant', async (t) => {
    t.match(await exchange(signJwt(claims, ownKey, 'other')), { status: 400, error: 'invalid_grant' })
    t.match(await exchange('nonsense'), { status: 400, error: 'invalid_grant' })
    const response = await postForm(emulator.tokenUrl, { grant_type: 'password' })
    t.match(await response.json(), { error: 'unsupported_grant_type' })
  })

  t.test('a token without a healthcare scope is issued, and refused by the store', async (t) => {
    const scope = 'https://www.googleapis.com/auth/devstorage.read_only'
    const { access_token } = await exchange(signJwt({ ...claims, scope }, ownKey, key.private_key_id))
    const headers = { authorization: `Bearer ${access_token}` }
    const response = await fetch(`${emulator.dicomWebUrl()}/studies`, { headers })
    t.equal(response.status, 403)
    t.match(response.headers.get('www-authenticate'), /insufficient_scope/)
  })
})

test('authorized users', async (t) => {
  const { emulator, credentials } = await startSession(t)
  const { clientId, clientSecret, refreshToken } = credentials.authorizedUser
  const transporterOptions = {
    fetchImplementation: (_url: unknown, init?: RequestInit) => fetch(emulator.tokenUrl, init),
  }
  const client = (options: object) =>
    new UserRefreshClient({ clientId, clientSecret, refreshToken, transporterOptions, ...options })

  const counted = emulator.tokenRequests.refresh_token
  t.match((await client({}).getAccessToken()).token, /^ya29\./)
  t.equal(emulator.tokenRequests.refresh_token, counted + 1)
  await t.rejects(client({ refreshToken: 'revoked' }).getAccessToken(), { message: /invalid_grant/, status: 400 })
  await t.rejects(client({ clientSecret: 'wrong' }).getAccessToken(), { message: /invalid_client/, status: 401 })
  await t.rejects(client({ clientId: 'wrong' }).getAccessToken(), { message: /invalid_client/, status: 401 })
})
