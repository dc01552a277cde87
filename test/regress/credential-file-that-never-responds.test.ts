import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { makePipe } from '../helpers/dead-drive.ts'
import { eventually } from '../helpers/eventually.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'

const deadDrive = `--import=${new URL('../helpers/dead-drive.ts', import.meta.url).href}`

// Files on a network drive that had gone used up all of Node's threads: no account got a token, not
// even a look at the status page got a response, and SIGTERM did not end the program, which waited
// for its threads.
t.test('the other accounts are served, and the end comes', { skip: process.platform === 'win32' }, async (t) => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const { serviceAccountFile: good } = await emulator.writeCredentials(folder)
  await mkdir(join(folder, 'good'))
  await copyFile(good, join(folder, 'good', 'another.json'))
  const pipe = makePipe(join(folder, 'pipe.json'))
  const onDeadDrive = ['a/1.json', 'a/2.json', 'a/3.json', 'a/4.json', 'a/5.json', 'b/6.json'].map((name) =>
    makePipe(join(folder, 'dead-drive', name)),
  )
  const withFile = (ServiceAccountFile: string) => ({ ...demoAccount, ServiceAccountFile })
  const dead = onDeadDrive.map((file, at) => [`dead${at}`, withFile(file)] as const)
  // Last, so that they come after all that hang; each with a token of its own.
  const Accounts = {
    pipe: withFile(pipe),
    ...Object.fromEntries(dead),
    google: withFile(good),
    another: withFile(join(folder, 'good', 'another.json')),
  }
  const path = join(folder, 'orthanc.json')
  const { baseUrl: BaseUrl, tokenUrl: TokenUrl } = emulator
  const DicomWebProxy = {
    Listen: '127.0.0.1:0',
    AdminListen: '127.0.0.1:0',
    Retry: { TotalTimeout: 0 },
    ShutdownGrace: 1,
  }
  const GoogleCloudPlatform = { BaseUrl, TokenUrl, Timeout: 2, Accounts }
  await writeFile(path, JSON.stringify({ GoogleCloudPlatform, DicomWebProxy }))
  const { child, output } = startProgram(t, ['--config', path], { DEAD_DRIVE: 'yes' }, [deadDrive])
  await eventually('the good account has its token', () => output().includes('access token fetched'), 20_000)
  const root = /"url":"([^"]+)google\/"/.exec(output())?.[1] ?? ''
  const admin = /"url":"([^"]+)","msg":"admin listener"/.exec(output())?.[1] ?? ''

  const startedAt = performance.now()
  const ask = async (account: string) => {
    const response = await fetch(`${root}${account}/studies`)
    return { status: response.status, text: await response.text() }
  }
  t.match(await ask('google'), { status: 200 })
  t.match(await ask('another'), { status: 200 })
  t.match(await ask('pipe'), { status: 503, text: /pipe\.json is a pipe, a socket or a device/ })
  for (const [account, { ServiceAccountFile }] of dead) {
    t.match(await ask(account), { status: 503, text: `${ServiceAccountFile} could not be read in time` })
  }
  t.ok(performance.now() - startedAt < 30_000, 'within Timeout')
  const status = await fetch(`${admin}/api/status`)
  t.equal(status.status, 200)
  t.match((await status.json()) as object, { accounts: [{ name: 'pipe', state: 'no-token' }] })

  child.kill('SIGHUP')
  await eventually('the configuration is read all the same', () => output().includes('nothing changed'), 20_000)
  t.match(await ask('google'), { status: 200 })

  const endingAt = performance.now()
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)
  t.ok(performance.now() - endingAt < 10_000, 'no thread is waited for')
  t.match(output(), /"msg":"stopped"/)
})
