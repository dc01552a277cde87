// Where root may not set groups, as in a container without CAP_SETGID, `check` could not try the rights
// of the audit trail's owner, which it says. It failed instead at restoring what it had not changed:
// "EPERM: operation not permitted, setgroups".
import { execFile } from 'node:child_process'
import { chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const isRootOfLinux = process.platform === 'linux' && process.geteuid?.() === 0
const nobody = 65_534

t.test('a check of the audit trail', { skip: !isRootOfLinux && 'it needs root, on Linux' }, async (t) => {
  const folder = t.testdir({ audit: '' })
  const [config, File] = [join(folder, 'orthanc.json'), join(folder, 'audit')]
  await chown(File, nobody, nobody)
  const Accounts = {
    a: { Project: 'p', Location: 'l', Dataset: 'd', DicomStore: 's', ServiceAccountFile: 'none.json' },
  }
  await writeFile(config, JSON.stringify({ GoogleCloudPlatform: { Accounts }, DicomWebProxy: { Audit: { File } } }))
  const check = [process.execPath, '--disable-warning=DEP0060', main, 'check', '--offline', '--config', config]
  const env = { PATH: process.env.PATH, HOME: folder }
  const printed = await new Promise<string>((resolve) =>
    execFile('setpriv', ['--bounding-set=-setgid', ...check], { env }, (_error, output, words) =>
      resolve(output + words),
    ),
  )
  t.match(printed, /the rights of nobody can't be tried here: run this check as the user of the service/)
  t.notMatch(printed, 'EPERM')
})
