import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { ended, startProgram } from '../helpers/program.ts'

// What journal and `kubectl logs` show of a service that can't start: one line, which says what to
// do. Its unit and its container don't start it again and again for exit code 2.
async function refused(
  t: Test,
  args: readonly string[],
  env: Record<string, string> = {},
  options: readonly string[] = [],
): Promise<string> {
  const { child, output } = startProgram(t, args, env, options)
  t.equal(await ended(child), 2)
  t.equal(output().trimEnd().split('\n').length, 1, 'one line')
  return output()
}

const isRoot = process.geteuid?.() === 0
const otherUser = 65_534

const account = { Project: 'p', Location: 'europe-west4', Dataset: 'd', DicomStore: 's' }

test('a unit without its credential', async (t) => {
  const folder = t.testdir({ credentials: {}, 'orthanc.json': '' })
  const config = join(folder, 'orthanc.json')
  const ServiceAccountFile = `\${CREDENTIALS_DIRECTORY:-/etc/gcp-dicomweb-proxy}/service-account.json`
  const Accounts = { 'my-google': { ...account, ServiceAccountFile } }
  writeFileSync(config, JSON.stringify({ GoogleCloudPlatform: { Accounts } }))
  const CREDENTIALS_DIRECTORY = join(folder, 'credentials')
  const line =
    /^The configuration can't be used: .*orthanc\.json: GoogleCloudPlatform\.Accounts\.my-google\.ServiceAccountFile: names a credential that systemd has not passed to this service; save the credential file where LoadCredential= of the unit says/

  t.match(await refused(t, ['--config', config], { CREDENTIALS_DIRECTORY }), line)
  // As SetCredential= of our unit puts it there.
  writeFileSync(join(CREDENTIALS_DIRECTORY, 'service-account.json'), '\n')
  t.match(await refused(t, ['--config', config], { CREDENTIALS_DIRECTORY: `${CREDENTIALS_DIRECTORY}/` }), line)
})

test('a container without its configuration', async (t) => {
  const folder = t.testdir({})
  const config = join(folder, 'config')
  t.match(await refused(t, ['--config', config]), `The configuration can't be used: ${config}: does not exist; `)
  mkdirSync(config)
  t.match(await refused(t, ['--config', config]), `${config}: is a folder without any *.json file; `)
})

test('a folder that the user of the service may not read', isTestable(), async (t) => {
  const folder = t.testdir({ config: { 'orthanc.json': '{}' } })
  const config = join(folder, 'config')
  // Root may read everything.
  const options = isRoot ? [`--import=data:text/javascript,process.seteuid(${otherUser})`] : []
  chmodSync(config, 0)
  try {
    for (const path of [config, join(config, 'orthanc.json')]) {
      t.match(
        await refused(t, ['--config', path], {}, options),
        `The configuration can't be used: ${path}: cannot be read by the user that the proxy runs as; give `,
      )
    }
  } finally {
    chmodSync(config, 0o700)
  }
})

/** As another user, the program must still be able to read itself. */
function isTestable(): { skip: string | false } {
  if (!isRoot) return { skip: false }
  process.seteuid?.(otherUser)
  try {
    readFileSync(fileURLToPath(new URL('../../src/main.ts', import.meta.url)))
    return { skip: false }
  } catch {
    return { skip: 'this clone is for root alone to read' }
  } finally {
    process.seteuid?.(0)
  }
}
