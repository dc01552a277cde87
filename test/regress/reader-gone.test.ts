import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { eventually } from '../helpers/eventually.ts'
import { needs } from '../helpers/peer.ts'
import { compileCache, ended, startProgram } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

// `check | head -1` ended with "Unexpected failure, please report it: Error (EPIPE)".
test('the reader of the output of a command may leave', async (t) => {
  const { child, output } = startProgram(t, ['schema'])
  child.stdout.destroy()
  await ended(child)
  t.equal(output(), '')
})

const script = needs('script (util-linux)', !spawnSync('script', ['--version']).error)

// A closed terminal sent SIGHUP, a reload, and then failed each line of the log: the proxy crashed,
// and cut all requests.
test('a closed terminal ends the proxy as SIGTERM does', script, async (t) => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const { serviceAccountFile } = await emulator.writeCredentials(folder)
  const path = join(folder, 'orthanc.json')
  const { baseUrl: BaseUrl, tokenUrl: TokenUrl } = emulator
  const Accounts = { google: { ...demoAccount, ServiceAccountFile: serviceAccountFile } }
  const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: null }
  await writeFile(path, JSON.stringify({ GoogleCloudPlatform: { BaseUrl, TokenUrl, Accounts }, DicomWebProxy }))
  const command = `${process.execPath} --disable-warning=DEP0060 ${main} serve --config ${path}`
  const env = { ...compileCache, PATH: process.env.PATH ?? '', HOME: folder, NO_COLOR: '1' }
  const terminal = spawn('script', ['-qfc', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'ignore'] })
  t.teardown(() => terminal.kill('SIGKILL'))
  let shown = ''
  terminal.stdout.on('data', (chunk) => {
    shown += chunk
  })
  await eventually('it has its token', () => shown.includes('access token fetched'))
  const url = /url=(\S+\/google\/)/.exec(shown)?.[1] ?? ''
  emulator.faults.add({ target: 'QIDO-RS', delay: 1_500, times: 1 })
  const search = fetch(`${url}studies`)
  await eventually('it is in flight', () => emulator.log.some(({ target }) => target.includes('/studies')))
  terminal.kill('SIGKILL')
  await once(terminal, 'exit')
  t.equal((await search).status, 200, 'requests in flight finish')
  const isGone = async () =>
    !(await fetch(url).then(
      () => true,
      () => false,
    ))
  await eventually('it has ended', isGone)
})
