import { spawn } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { makePipe } from '../helpers/dead-drive.ts'
import { eventually } from '../helpers/eventually.ts'
import { compileCache, ended } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Starts the proxy with its log to this descriptor, lets it serve, and ends it. */
async function serveAndEnd(t: Test, folder: string, log: number) {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const { serviceAccountFile } = await emulator.writeCredentials(folder)
  const path = join(folder, 'orthanc.json')
  const { baseUrl: BaseUrl, tokenUrl: TokenUrl } = emulator
  const Accounts = { google: { ...demoAccount, ServiceAccountFile: serviceAccountFile } }
  const root = `127.0.0.1:${await freePort()}`
  const DicomWebProxy = { Listen: root, AdminListen: null, ShutdownGrace: 1 }
  await writeFile(path, JSON.stringify({ GoogleCloudPlatform: { BaseUrl, TokenUrl, Accounts }, DicomWebProxy }))
  const child = spawn(process.execPath, ['--disable-warning=DEP0060', main, '--config', path], {
    env: { ...compileCache, PATH: process.env.PATH ?? '', HOME: folder },
    stdio: ['ignore', log, 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  closeSync(log)
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said += chunk
  })
  const search = () => fetch(`http://${root}/google/studies`).catch(() => null)
  await eventually('it serves', async () => (await search())?.status === 200, 20_000)
  for (let count = 0; count < 20; count += 1) t.equal((await search())?.status, 200)
  child.kill('SIGTERM')
  const code = await Promise.race([ended(child), new Promise((resolve) => setTimeout(resolve, 15_000, 'still there'))])
  return { code, said }
}

const skip = process.platform !== 'linux' && 'no pipes or /dev/full'

// The program served on, and SIGTERM did not end it: at the end, its logger wrote what was left
// until somebody would read it.
t.test('the program ends though nobody reads its log', { skip }, async (t) => {
  const folder = t.testdir({})
  const path = makePipe(join(folder, 'log'))
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => closeSync(pipe))
  t.throws(
    () => {
      for (;;) writeSync(pipe, 'x'.repeat(4096))
    },
    { code: 'EAGAIN' },
    'it is full before',
  )
  t.same(await serveAndEnd(t, folder, openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)), {
    code: 143,
    said: '',
  })
})

t.test('and though its log goes to a full disk', { skip }, async (t) => {
  const log = openSync('/dev/full', 'w')
  t.same(await serveAndEnd(t, t.testdir({}), log), { code: 143, said: '' })
})
