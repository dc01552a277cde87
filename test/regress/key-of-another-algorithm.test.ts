import { generateKeyPairSync } from 'node:crypto'
import { test } from 'tap'
import { readJson, startIssuer } from '../credentials/issuer.ts'

/**
 * Google's keys are RSA: any other failed within the library, as a token endpoint that can't be
 * reached.
 */
test('a key that is not RSA is a damaged key', async (t) => {
  const { files, write, failure } = await startIssuer(t)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const private_key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const file = await write('ec.json', { ...(await readJson(files.serviceAccountFile)), private_key })
  t.match(await failure({ kind: 'service-account-file', file }), /has a damaged "private_key"/)
})
