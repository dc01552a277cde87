import { test } from 'tap'
import { readJson, startIssuer } from '../credentials/issuer.ts'

/**
 * The IAM Credentials API refuses a user's token without a quota project; Google's own libraries
 * send the source's. It is not that of the token which comes out: that is billed to the service
 * account's project.
 */
test('impersonation is asked for on the quota project of its source', async (t) => {
  const { emulator, files, write, fetchToken } = await startIssuer(t)
  const user = { ...(await readJson(files.authorizedUserFile)), quota_project_id: 'who-pays' }
  const impersonated = await readJson(files.impersonatedServiceAccountFile)
  const sources = {
    'the account impersonates': [await write('user.json', user), files.impersonatedEmail],
    'the file does': [await write('impersonated.json', { ...impersonated, source_credentials: user }), undefined],
  } as const
  for (const [name, [file, impersonate]] of Object.entries(sources)) {
    emulator.clearLog()
    const source = { kind: 'application-default', file, wellKnownFile: null, metadataHost: null } as const
    const token = await fetchToken(source, impersonate ? { impersonate } : {})
    t.notHas(token, { quotaProject: String }, name)
    const asked = emulator.log.find(({ target }) => target.endsWith(':generateAccessToken'))
    t.equal(asked?.headers['x-goog-user-project'], 'who-pays', name)
  }
  emulator.clearLog()
  const source = { kind: 'service-account-file', file: files.serviceAccountFile } as const
  await fetchToken(source, { impersonate: files.impersonatedEmail })
  for (const { headers } of emulator.log) t.notHas(headers, { 'x-goog-user-project': String })
})
