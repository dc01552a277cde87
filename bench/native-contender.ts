import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../src/orthanc/local-orthanc.ts'
import type { Contender } from './contender.ts'
import { usageOf } from './process-usage.ts'
import { readUpstreamFile, type Upstream } from './store.ts'

/** A proxy that is installed on the machine, and how it is run in the foreground. */
export interface NativeProgram {
  readonly name: string
  readonly command: string
  /** What makes it tell its version. */
  readonly versionArgs: readonly string[]
  /** Its configuration; may be without any path outside of the folder. */
  configuration(setting: NativeSetting): string
  args(configurationFile: string, folder: string): readonly string[]
}

export interface NativeSetting {
  /** Its own, for everything that it writes. */
  readonly folder: string
  /** Of 127.0.0.1: where it has to listen. */
  readonly port: number
  readonly upstream: Upstream
}

/** Debian has nginx and haproxy where only root's PATH leads. */
const environment = (home: string) => ({ PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin`, HOME: home })

export function nativeContender(program: NativeProgram): Contender {
  const { name } = program
  return {
    name,
    compilesLate: false,
    version: () => versionOf(program),
    async start({ folder: parent, upstreamFile }) {
      const folder = await mkdtemp(join(parent, `${program.command}-`))
      const port = await freePort()
      const configurationFile = join(folder, 'configuration')
      const upstream = readUpstreamFile(upstreamFile)
      await writeFile(configurationFile, program.configuration({ folder, port, upstream }))
      const child = run(program, configurationFile, folder)
      await listening(child, port).catch(async (cause) => {
        throw new Error(`${name} did not start: ${await readFile(join(folder, 'log'), 'utf8')}`, { cause })
      })
      return {
        url: `http://127.0.0.1:${port}/`,
        headers: {},
        usage: () => usageOf(child.pid ?? 0),
        async close() {
          await end(child)
          await rm(folder, { recursive: true })
        },
      }
    },
  }
}

function versionOf({ command, versionArgs }: NativeProgram): string | null {
  const { stdout, stderr, error } = spawnSync(command, versionArgs, { encoding: 'utf8', env: environment('/') })
  if (error) return null
  return /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

function run({ command, args }: NativeProgram, configurationFile: string, folder: string): ChildProcess {
  const log = openSync(join(folder, 'log'), 'a')
  const child = spawn(command, args(configurationFile, folder), {
    cwd: folder,
    env: environment(folder),
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  // Unlike the Node programs it does not notice when the bench dies. SIGKILL would leave nginx's
  // worker behind.
  const terminate = () => child.kill('SIGTERM')
  process.on('exit', terminate)
  child.once('exit', () => process.off('exit', terminate))
  return child
}

/** They tell nobody when they listen. */
async function listening(child: ChildProcess, port: number): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`Exit code ${child.exitCode}`)
    if (performance.now() > deadline) throw new Error('It did not listen within 10 s')
    await delay(20)
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}
