import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { configuration, folder, load, location, problems } from './settings-of.ts'

const notPassed = /: names a credential that systemd has not passed to this service; .*LoadCredential=/

/** Loads one account, whose credential files are in the folder that systemd has made. */
function loadWith(t: Test, inAccount: object, files: Record<string, string>, more: Record<string, string> = {}) {
  const workingDirectory = folder(t, { 'orthanc.json': configuration({}, {}, inAccount) })
  const CREDENTIALS_DIRECTORY = join(workingDirectory, 'credentials')
  mkdirSync(CREDENTIALS_DIRECTORY)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(CREDENTIALS_DIRECTORY, name), content)
  const environment = { CREDENTIALS_DIRECTORY, ...more }
  return load(t, '', { workingDirectory, environment })
}

test('credentials that systemd passes', async (t) => {
  const passed = { ServiceAccountFile: `\${CREDENTIALS_DIRECTORY}/key.json` }
  const settings = await loadWith(t, passed, { 'key.json': '{}' })
  t.match(settings.accounts, [{ credential: { source: { file: /\/credentials\/key\.json$/ } } }])

  t.match(await problems(() => loadWith(t, passed, {})), [notPassed])
  t.match(await problems(() => loadWith(t, passed, { 'key.json': ' \n' })), [notPassed], 'blank')
  for (const key of ['AuthorizedUserFile', 'ExternalAccountFile']) {
    const inAccount = { ServiceAccountFile: undefined, [key]: `\${CREDENTIALS_DIRECTORY}/key.json` }
    t.match(await problems(() => loadWith(t, inAccount, {})), [new RegExp(`Accounts\\.a\\.${key}: names a credential`)])
  }
})

test('other missing files affect only their account, at run time', async (t) => {
  await loadWith(t, { ServiceAccountFile: 'missing.json' }, {})
  await loadWith(t, { ServiceAccountFile: 'credentials-of-others/missing.json' }, {})
  const workingDirectory = folder(t, { 'orthanc.json': configuration({}, {}, location) })
  const environment = { CREDENTIALS_DIRECTORY: '' }
  t.equal((await load(t, '', { workingDirectory, environment })).accounts.length, 1)
})
