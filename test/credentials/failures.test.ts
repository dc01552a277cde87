import { once } from 'node:events'
import { createServer } from 'node:net'
import { type Test, test } from 'tap'
import type { CredentialSource } from '../../src/config/settings.ts'
import type { CredentialFiles, Fault } from '../../src/emulator/emulator.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { everySource, readJson, startIssuer } from './issuer.ts'

/** Those that ask the configured token endpoint itself. */
function ownSources(files: CredentialFiles): Record<string, CredentialSource> {
  const { clientId, clientSecret, refreshToken } = files.authorizedUser
  return {
    'service account': { kind: 'service-account-file', file: files.serviceAccountFile },
    'authorized user': { kind: 'authorized-user', clientId, clientSecret, refreshToken },
  }
}

async function secretsOf(files: CredentialFiles): Promise<string[]> {
  const key = String((await readJson(files.serviceAccountFile)).private_key)
  const { clientSecret, refreshToken } = files.authorizedUser
  return [...key.split('\n').filter((line) => !line.startsWith('-----') && line), clientSecret, refreshToken]
}

function noSecret(t: Test, message: string, secrets: readonly string[]) {
  t.same(
    secrets.filter((secret) => message.includes(secret)),
    [],
  )
  t.notMatch(message, /ya29|eyJ|BEGIN/)
}

test('a token endpoint that cannot be reached', async (t) => {
  const { files, failure } = await startIssuer(t)
  const secrets = await secretsOf(files)
  const places: Record<string, [tokenUrl: string, sentence: string]> = {
    refused: [
      `http://127.0.0.1:${await closedPort()}/token`,
      'the connection was refused (ECONNREFUSED). Check the firewall, or set HttpProxy.',
    ],
    'unknown host': ['https://token.invalid/token', 'its name could not be resolved ('],
  }
  for (const [name, [tokenUrl, sentence]] of Object.entries(places)) {
    for (const [kind, source] of Object.entries(ownSources(files))) {
      const message = await failure(source, { access: { tokenUrl } })
      t.ok(message.startsWith(`The token endpoint cannot be reached: ${sentence}`), `${name}, ${kind}: ${message}`)
      noSecret(t, message, secrets)
    }
  }
})

test('a certificate that nobody trusts', async (t) => {
  const tls = makeCertificate()
  const { files, failure } = await startIssuer(t, { emulator: { tls } })
  for (const [kind, source] of Object.entries(ownSources(files))) {
    t.match(
      await failure(source),
      /^The token endpoint cannot be reached: its certificate is not trusted \(\w+\)\. If your network inspects TLS, name its CA in HttpsCACertificates\.$/,
      kind,
    )
  }
})

test('every kind says how its issuer fails', async (t) => {
  const { emulator, files, failure } = await startIssuer(t)
  const secrets = await secretsOf(files)
  const headers = { 'metadata-flavor': 'Google' }
  const waiting = { access: { timeout: 2_000 } }
  const ways: Record<string, [fault: Partial<Fault>, sentence: RegExp, ofMetadata: RegExp]> = {
    hang: [
      { hang: true },
      /^The token endpoint cannot be reached: it did not respond in time .* raise the timeout/,
      /no metadata server responds/,
    ],
    'stalled response': [
      { stall: 5, headers },
      /^The token endpoint cannot be reached: it did not respond in time/,
      /response is not an access token/,
    ],
    reset: [
      { resetBefore: true },
      /^The token endpoint cannot be reached: the connection was closed \(\w+\)\. Check the firewall/,
      /no metadata server responds/,
    ],
    'reset in the response': [
      { truncate: 5, headers },
      /^The token endpoint cannot be reached: the connection was closed/,
      /response is not an access token/,
    ],
    'no HTTP': [
      { brokenChunking: true },
      /^The token endpoint's response cannot be used: its response is not valid HTTP/,
      /response is not an access token/,
    ],
    500: [
      { status: 500, headers },
      /^The token endpoint returned 500 \(INTERNAL: .*\)\. Google has a problem; the proxy keeps trying\. Wait, and check https/,
      /^The metadata server returned 500 instead of a token\. Check/,
    ],
    '503 without words': [
      { status: 503, body: '<html>', headers },
      /^The token endpoint returned 503\. Google has a problem; the proxy keeps trying\. Wait, and check https/,
      /^The metadata server returned 503 instead of a token\. Check/,
    ],
    404: [
      { status: 404, body: 'Not found', headers },
      /^The token endpoint returned 404\. Check the credential and TokenUrl\.$/,
      /^This Google Cloud machine has no service account\. Attach one, or name a key file in ServiceAccountFile\.$/,
    ],
  }
  for (const [name, [fault, sentence, ofMetadata]] of Object.entries(ways)) {
    const options = fault.hang || fault.stall ? waiting : {}
    t.test(name, async (t) => {
      t.teardown(emulator.faults.add({ target: 'token', ...fault }))
      const kinds = Object.entries(everySource(emulator, files))
      const said = await Promise.all(kinds.map(([, [source]]) => failure(source, options)))
      for (const [at, [kind]] of kinds.entries()) {
        t.match(said[at], kind.includes('metadata') ? ofMetadata : sentence, kind)
        noSecret(t, String(said[at]), secrets)
      }
    })
    t.test(`${name}, on impersonation`, async (t) => {
      t.teardown(emulator.faults.add({ target: 'token', grant: 'impersonation', ...fault }))
      const source = ownSources(files)['authorized user'] as CredentialSource
      const message = await failure(source, { ...options, impersonate: files.impersonatedEmail })
      t.match(message, sentence)
      noSecret(t, message, secrets)
    })
  }
})

test('the timeout is that of the settings', async (t) => {
  const { emulator, files, failure } = await startIssuer(t)
  emulator.faults.add({ target: 'token', hang: true })
  const kinds = Object.entries(everySource(emulator, files))
  const times = kinds.map(async ([kind, [source]]) => {
    const start = performance.now()
    await failure(source, { access: { timeout: 100 } })
    return [kind, performance.now() - start] as const
  })
  for (const [kind, took] of await Promise.all(times)) {
    t.ok(took >= 95 && took < 5000, `${kind}: ${Math.round(took)} ms`)
  }
})

test('what Google refuses', async (t) => {
  const issuer = await startIssuer(t)
  const { emulator, files, write, failure } = issuer
  const user = ownSources(files)['authorized user'] as CredentialSource & { kind: 'authorized-user' }
  const account = ownSources(files)['service account'] as CredentialSource

  t.test('a refresh token that was revoked', async (t) => {
    t.equal(
      await failure({ ...user, refreshToken: '1//revoked' }),
      'The token endpoint returned 400 (invalid_grant: Token has been expired or revoked.). The refresh token was revoked or has expired. Sign in again: gcloud auth application-default login, or make a new authorized-user file.',
    )
  })
  t.test('a client that is unknown, or whose secret is wrong', async (t) => {
    const remedy =
      'The client ID or client secret is wrong. Correct AuthorizedUserClientId and AuthorizedUserClientSecret, or the file; or sign in again: gcloud auth application-default login'
    for (const wrong of [{ clientId: 'nobody' }, { clientSecret: 'secret-that-is-wrong' }]) {
      const message = await failure({ ...user, ...wrong })
      t.match(message, /^The token endpoint returned 401 \(invalid_client: [^)]*\)\. /)
      t.ok(message.endsWith(remedy))
      t.notMatch(message, /secret-that/)
    }
  })
  t.test('the key of a service account that is gone', async (t) => {
    const key = await readJson(files.serviceAccountFile)
    const file = await write('gone.json', { ...key, client_email: 'gone@demo.iam.gserviceaccount.com' })
    t.match(
      await failure({ kind: 'service-account-file', file }),
      /^The token endpoint returned 400 \(invalid_grant: .*account not found\)\. Google does not know the service account: it was deleted or disabled\. Check/,
    )
  })
  t.test('a key that was replaced', async (t) => {
    const other = await emulator.addServiceAccount('other@demo.iam.gserviceaccount.com')
    const file = await write('replaced.json', { ...other, client_email: files.serviceAccountEmail })
    t.match(await failure({ kind: 'service-account-file', file }), /invalid_grant: Invalid JWT Signature/)
  })
  t.test('a scope', async (t) => {
    const body = { error: 'invalid_scope', error_description: 'Some requested scopes were invalid.' }
    t.teardown(emulator.faults.add({ target: 'token', status: 400, body }))
    t.equal(
      await failure(account),
      'The token endpoint returned 400 (invalid_scope: Some requested scopes were invalid.). The credential may not request the scope cloud-healthcare. Sign in again with that scope: gcloud auth application-default login --scopes=https://www.googleapis.com/auth/cloud-platform',
    )
  })
  t.test('a pool that does not exist', async (t) => {
    const external = await readJson(files.externalAccountFile)
    const file = await write('no-pool.json', { ...external, audience: '//iam.googleapis.com/projects/1/gone' })
    t.match(
      await failure({ kind: 'external-account-file', file }),
      /^The token endpoint returned 400 \(invalid_target: .*\)\. The workload identity pool or provider does not exist\. Check "audience"/,
    )
  })
  t.test('a subject token that has been tampered with', async (t) => {
    const external = await readJson(files.externalAccountFile)
    const subject = await write('subject', 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2VjcmV0')
    const file = await write('tampered.json', { ...external, credential_source: { file: subject } })
    const message = await failure({ kind: 'external-account-file', file })
    t.match(message, /^The token endpoint returned 400 \(invalid_grant: /)
    t.notMatch(message, /eyJ|c2VjcmV0/)
  })
  t.test('impersonation', async (t) => {
    const message = `The identity may not impersonate ${files.impersonatedEmail}. Grant it the role: gcloud iam service-accounts add-iam-policy-binding ${files.impersonatedEmail} `
    for (const [kind, [source, identity]] of Object.entries(everySource(emulator, files))) {
      if (identity === files.impersonatedEmail) continue
      emulator.denyImpersonation(identity, files.impersonatedEmail)
      const said = await failure(source, { impersonate: files.impersonatedEmail })
      t.match(said, /^The token endpoint returned 403 \(PERMISSION_DENIED: /, kind)
      t.ok(said.includes(message), kind)
    }
    t.match(await failure(account, { impersonate: 'nobody@demo.iam.gserviceaccount.com' }), /PERMISSION_DENIED/)
    emulator.faults.add({ target: 'token', grant: 'impersonation', status: 404 })
    t.match(
      await failure(account, { impersonate: files.impersonatedEmail }),
      /^The token endpoint returned 404 \(NOT_FOUND: .*\)\. Google does not know \S+\. Check ImpersonateServiceAccount\.$/,
    )
  })
})

test('no machine of Google Cloud', async (t) => {
  const { failure } = await startIssuer(t)
  const source = (metadataHost: string): CredentialSource => {
    return { kind: 'application-default', file: null, wellKnownFile: null, metadataHost }
  }
  const foreign = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"access_token":"x","expires_in":3600}')
  }).listen(0, '127.0.0.1')
  await once(foreign, 'listening')
  t.teardown(() => foreign.close())
  const address = foreign.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const hosts = {
    nobody: `127.0.0.1:${await closedPort()}`,
    unknown: 'metadata.invalid',
    foreign: `127.0.0.1:${port}`,
  }
  for (const [name, host] of Object.entries(hosts)) {
    t.equal(
      await failure(source(host)),
      `There are no Application Default Credentials: GOOGLE_APPLICATION_CREDENTIALS is not set, gcloud has left no file, and no metadata server responds at ${host}, which GCE_METADATA_HOST or GCE_METADATA_IP names. Correct or remove that variable. Run gcloud auth application-default login, or name a key file in ServiceAccountFile or GOOGLE_APPLICATION_CREDENTIALS, if there is no metadata server.`,
      name,
    )
  }
})

test('tokens that are no use', async (t) => {
  const { emulator, files, failure, fetchToken } = await startIssuer(t)
  const source = ownSources(files)['authorized user'] as CredentialSource
  const responses: [body: object, sentence: RegExp][] = [
    [{ access_token: 'ya29.x' }, /^The token endpoint's response does not say when the token expires\./],
    [
      { access_token: 'ya29.x', expires_in: 'soon' },
      /^The token endpoint's response does not say when the token expires\./,
    ],
    [{ access_token: 'ya29.x y', expires_in: 3600 }, /not an access token/],
    [{ access_token: 7, expires_in: 3600 }, /not an access token/],
    [{ access_token: { a: 1 }, expires_in: 3600 }, /not an access token/],
  ]
  for (const [body, sentence] of responses) {
    const remove = emulator.faults.add({ target: 'token', status: 200, body })
    t.match(await failure(source), sentence, JSON.stringify(body))
    remove()
  }
  const expireTime = new Date(Date.now() + 1000).toISOString()
  const impersonate = files.impersonatedEmail
  for (const [body, sentence] of [
    [{ accessToken: 'ya29.x' }, /^The IAM Credentials API's response does not say when the token expires\./],
    [
      { accessToken: 'ya29.x', expireTime: 'soon' },
      /^The IAM Credentials API's response does not say when the token expires\./,
    ],
    [{ accessToken: 7, expireTime }, /not an access token/],
  ] as const) {
    const remove = emulator.faults.add({ target: 'token', grant: 'impersonation', status: 200, body })
    t.match(await failure(source, { impersonate }), sentence, JSON.stringify(body))
    remove()
  }
  emulator.faults.add({
    target: 'token',
    grant: 'refresh_token',
    status: 200,
    body: { access_token: 'x', expires_in: -60 },
  })
  const expired = await fetchToken(source)
  t.ok(expired.expiresAt < Date.now(), 'an expired one is recognised by its expiry; the cache rejects it')
})

/** A port where nobody listens: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}
