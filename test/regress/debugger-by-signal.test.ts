import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { eventually } from '../helpers/eventually.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'

/** Ports of IPv4 and IPv6 that a process listens on, from /proc: Linux only. */
function listeningPorts(pid: number): number[] {
  const inodes = new Set<string>()
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]
    if (inode) inodes.add(inode)
  }
  const lines = ['tcp', 'tcp6'].flatMap((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8').split('\n').slice(1))
  return lines.flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
    return state === '0A' && inodes.has(inode) ? [Number.parseInt(local.split(':')[1] ?? '', 16)] : []
  })
}

// `kill -USR1` opened Node's inspector on 127.0.0.1:9229, which evaluated what anybody on the
// machine sent to it.
t.test('SIGUSR1 opens no inspector', { skip: process.platform !== 'linux' && 'reads /proc' }, async (t) => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const { serviceAccountFile } = await emulator.writeCredentials(folder)
  const path = join(folder, 'orthanc.json')
  const { baseUrl: BaseUrl, tokenUrl: TokenUrl } = emulator
  const Accounts = { google: { ...demoAccount, ServiceAccountFile: serviceAccountFile } }
  const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0' }
  await writeFile(path, JSON.stringify({ GoogleCloudPlatform: { BaseUrl, TokenUrl, Accounts }, DicomWebProxy }))
  const { child, output } = startProgram(t, ['--config', path])
  await eventually('it has its token', () => output().includes('access token fetched'))
  const ports = listeningPorts(child.pid ?? 0)
  t.equal(ports.length, 2, 'it has its own two listeners')
  const url = /"url":"([^"]+\/google\/)"/.exec(output())?.[1] ?? ''

  child.kill('SIGUSR1')
  child.kill('SIGUSR1')
  // A reload, by the same way as the others: they have been taken when it is in the log.
  child.kill('SIGHUP')
  await eventually('it has seen the signals', () => output().includes('nothing changed'))
  t.equal((await fetch(`${url}studies`)).status, 200, 'it serves')
  t.same(listeningPorts(child.pid ?? 0), ports, 'nothing else listens')
  t.notMatch(output(), /Debugger/)
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)
})

t.test('one that was open before the program began to run ends it', async (t) => {
  const early =
    "data:text/javascript,process.kill(process.pid, 'SIGUSR1'); await new Promise((f) => setTimeout(f, 200))"
  const { child, output } = startProgram(t, ['schema'], {}, [`--import=${early}`])
  t.equal(await ended(child), 2)
  t.match(output(), /Node's inspector is open, and would show access tokens/)
})
