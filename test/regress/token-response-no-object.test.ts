import { test } from 'tap'
import type { Fault } from '../../src/emulator/emulator.ts'
import { everySource, startIssuer } from '../credentials/issuer.ts'

/** The library fell over such answers, and the failure said that the token endpoint cannot be reached. */
test('an answer that is no token is called that', async (t) => {
  const { emulator, files, failure } = await startIssuer(t)
  const google = { 'metadata-flavor': 'Google' }
  const answers: Record<string, Partial<Fault>> = {
    'a web page': { garbage: true },
    null: { status: 200, body: 'null', headers: { 'content-type': 'application/json' } },
    'a text': { status: 200, body: '"ya29"', headers: { 'content-type': 'application/json' } },
    'a list': { status: 200, body: [], headers: { 'content-type': 'application/json' } },
    'an object without a token': { status: 200, body: { expires_in: 3600 } },
    'bytes of no known type': { status: 200, body: '…', headers: { 'content-type': 'application/octet-stream' } },
  }
  for (const [name, answer] of Object.entries(answers)) {
    t.test(name, async (t) => {
      t.teardown(emulator.faults.add({ target: 'token', ...answer, headers: { ...google, ...answer.headers } }))
      for (const [kind, [source]] of Object.entries(everySource(emulator, files))) {
        t.match(await failure(source), /response is not an access token/, kind)
      }
    })
    t.test(`${name}, from the IAM Credentials API`, async (t) => {
      t.teardown(emulator.faults.add({ target: 'token', grant: 'impersonation', ...answer }))
      const source = { kind: 'service-account-file', file: files.serviceAccountFile } as const
      const impersonate = files.impersonatedEmail
      t.match(await failure(source, { impersonate }), /response is not an access token/)
    })
  }
})
