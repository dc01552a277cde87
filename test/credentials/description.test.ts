import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { CredentialSource } from '../../src/config/settings.ts'
import { DescribedCredential } from '../../src/credentials/credential-description.ts'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { eventually } from '../helpers/eventually.ts'

t.test('who the proxy is at Google, by credential files of each kind', async (t) => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = await mkdtemp(join(tmpdir(), 'description-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = await emulator.writeCredentials(folder)
  const { host } = new URL(emulator.url)
  const describe = async (source: CredentialSource, isKnown = true) => {
    const credential = new DescribedCredential({ source, impersonate: null }, [host])
    await eventually('it is read', () => (credential.description.identity !== null) === isKnown)
    return credential.description
  }
  const external = (file: string) => describe({ kind: 'external-account-file', file })
  const adc = (file: string) => describe({ kind: 'application-default', file, wellKnownFile: null, metadataHost: null })
  t.match(await external(files.externalAccountFile), {
    kind: 'Workload identity federation',
    identity: files.workload.audience,
    file: files.externalAccountFile,
  })
  t.match(await external(files.externalAccountImpersonationFile), { identity: files.impersonatedEmail })
  t.match(await external(files.workforceUserFile), { identity: 'a user of workforce pool emulator' })
  t.match(await adc(files.impersonatedServiceAccountFile), {
    kind: 'Application Default Credentials',
    identity: files.impersonatedEmail,
  })
  t.match(await adc(files.serviceAccountFile), { identity: files.serviceAccountEmail })
  const missing = await describe({ kind: 'service-account-file', file: join(folder, 'missing.json') }, false)
  t.match(missing, { kind: 'Service account key', identity: null })
})

t.test('the machine’s own account, and a well-known file that comes and goes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'description-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const wellKnownFile = join(folder, 'application_default_credentials.json')
  const source = { kind: 'application-default', file: null, wellKnownFile, metadataHost: null } as const
  const machine = new DescribedCredential({ source, impersonate: null }, [])
  await eventually('it is known', () => machine.description.identity === 'service account of this machine')
  t.equal(machine.description.file, null)
  const user = { type: 'authorized_user', client_id: 'an-id', client_secret: 'a-secret', refresh_token: 'a-token' }
  await writeFile(wellKnownFile, JSON.stringify(user))
  const person = new DescribedCredential({ source, impersonate: null }, [])
  await eventually('the file is read', () => person.description.identity === 'a user of OAuth client an-id')
  t.equal(person.description.file, wellKnownFile)
})
