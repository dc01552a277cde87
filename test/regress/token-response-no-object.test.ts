import { test } from 'tap'
import type { Fault } from '../../src/emulator/emulator.ts'
import { everySource, startIssuer } from '../credentials/issuer.ts'

/**
 * The library failed at such responses, and the message said that the token endpoint cannot be
 * reached.
 */
test('a response that is no token is reported as such', async (t) => {
  const { emulator, files, failure } = await startIssuer(t)
  const google = { 'metadata-flavor': 'Google' }
  const responses: Record<string, Partial<Fault>> = {
    'a web page': { garbage: true },
    null: { status: 200, body: 'null', headers: { 'content-type': 'application/json' } },
    'a text': { status: 200, body: '"ya29"', headers: { 'content-type': 'application/json' } },
    'a list': { status: 200, body: [], headers: { 'content-type': 'application/json' } },
    'an object without a token': { status: 200, body: { expires_in: 3600 } },
    'bytes of no known type': { status: 200, body: '…', headers: { 'content-type': 'application/octet-stream' } },
  }
  for (const [name, response] of Object.entries(responses)) {
    t.test(name, async (t) => {
      t.teardown(emulator.faults.add({ target: 'token', ...response, headers: { ...google, ...response.headers } }))
      for (const [kind, [source]] of Object.entries(everySource(emulator, files))) {
        t.match(await failure(source), /response is not an access token/, kind)
      }
    })
    t.test(`${name}, from the IAM Credentials API`, async (t) => {
      t.teardown(emulator.faults.add({ target: 'token', grant: 'impersonation', ...response }))
      const source = { kind: 'service-account-file', file: files.serviceAccountFile } as const
      const impersonate = files.impersonatedEmail
      t.match(await failure(source, { impersonate }), /response is not an access token/)
    })
  }
})
