import { symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makePipe } from '../helpers/dead-drive.ts'
import { eventually } from '../helpers/eventually.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'

/** Files that somebody may put into the folder, and what is said of each. */
const strange: Record<string, [make: (path: string) => Promise<unknown>, problem: RegExp]> = {
  'pipe.json': [async (path) => makePipe(path), /is a pipe, a socket or a device; name a regular file/],
  'device.json': [(path) => symlink('/dev/zero', path), /is a pipe, a socket or a device; name a regular file/],
  'large.json': [
    async (path) => {
      await writeFile(path, '')
      await truncate(path, 300 * 1024 * 1024)
    },
    /is larger than 2 MiB; check that it is the right file/,
  ],
  'variables.json': [(path) => writeFile(path, '${'.repeat(200_000)), /is not valid JSON/],
  'comments.json': [(path) => writeFile(path, '/* '.repeat(200_000)), /is not valid JSON|must hold one JSON object/],
  'commas.json': [(path) => writeFile(path, `{${','.repeat(500_000)}`), /is not valid JSON in a thousand places/],
  'deep.json': [(path) => writeFile(path, '{"a":'.repeat(200_000)), /is nested more than 100 levels deep/],
}

// The running proxy read a pipe for ever, a device until its memory was full, and 200,000 times
// `${` for minutes; nothing else was done meanwhile. A configuration nested deeply was an
// unexpected failure.
t.test('a running proxy goes on, and names them', { skip: process.platform !== 'linux' && 'no pipes' }, async (t) => {
  const folder = t.testdir({ configuration: {} })
  const configuration = join(folder, 'configuration')
  const GoogleCloudPlatform = { Accounts: { google: { ...demoAccount, ServiceAccountFile: 'missing.json' } } }
  const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0', ShutdownGrace: 1 }
  await writeFile(join(configuration, 'orthanc.json'), JSON.stringify({ GoogleCloudPlatform, DicomWebProxy }))
  const { child, output } = startProgram(t, ['--config', configuration])
  await eventually('it listens', () => output().includes('admin listener'), 20_000)
  const admin = /"url":"([^"]+)","msg":"admin listener"/.exec(output())?.[1] ?? ''

  for (const [name, [make]] of Object.entries(strange)) await make(join(configuration, name))
  child.kill('SIGHUP')
  const lineOf = (name: string, problem: RegExp) =>
    output()
      .split('\n')
      // The log has problem and remedy apart.
      .map((line) => line.replace('","remedy":"', '; '))
      .find((line) => line.includes(`/${name}"`) && problem.test(line))
  for (const [name, [, problem]] of Object.entries(strange)) {
    await eventually(`${name} is named`, () => lineOf(name, problem) !== undefined, 30_000)
    t.match(lineOf(name, problem), /keeping the current one/, name)
  }
  t.equal((await fetch(`${admin}/healthz`)).status, 200, 'it is alive')
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)
})

t.test('a start ends with exit code 2, and names all of them', { skip: process.platform !== 'linux' }, async (t) => {
  const folder = t.testdir({})
  for (const [name, [make]] of Object.entries(strange)) await make(join(folder, name))
  const { child, output } = startProgram(t, ['--config', folder])
  t.equal(await ended(child), 2)
  for (const [name, [, problem]] of Object.entries(strange)) {
    const line = output()
      .split('\n')
      .find((line) => line.includes(`/${name}: `))
    t.match(line, problem, name)
  }
})
