import { test } from 'tap'
import { startIssuer } from '../credentials/issuer.ts'

/**
 * Such texts were taken for tokens where they came from the metadata server or from impersonation.
 */
test('what cannot stand in an Authorization header is no token', async (t) => {
  const { emulator, files, failure } = await startIssuer(t)
  const expireTime = new Date(Date.now() + 3_600_000).toISOString()
  const account = { kind: 'service-account-file', file: files.serviceAccountFile } as const
  const { metadataHost } = emulator
  const machine = { kind: 'application-default', file: null, wellKnownFile: null, metadataHost } as const
  for (const value of ['', 'ya29.a\r\nx-goog-user-project: other', 'ya29 a', 'ya29.\u00e4', 'a\u0000b']) {
    t.test(JSON.stringify(value), async (t) => {
      const body = { access_token: value, expires_in: 3600, accessToken: value, expireTime }
      const headers = { 'metadata-flavor': 'Google' }
      for (const grant of ['metadata', 'impersonation'] as const) {
        t.teardown(emulator.faults.add({ target: 'token', grant, status: 200, body, headers }))
      }
      t.match(await failure(machine), /^The metadata server's response is not an access token/)
      t.match(
        await failure(account, { impersonate: files.impersonatedEmail }),
        /^The IAM Credentials API's response is not an access token/,
      )
    })
  }
})
