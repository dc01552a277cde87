import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findOrthanc, type OrthancInstallation } from './find-orthanc.ts'
import { localConfiguration } from './local-configuration.ts'
import { OrthancError } from './orthanc-error.ts'
import { type DicomWebServerEntry, OrthancRest, type OrthancRestOptions } from './orthanc-rest.ts'

export interface LocalOrthancOptions {
  /** Orthanc's `DicomWeb.Servers`. */
  readonly servers?: Readonly<Record<string, DicomWebServerEntry>>
  /** Seconds that Orthanc allows one HTTP transfer in all. Default 600. */
  readonly httpTimeout?: number
  /** Orthanc logs every HTTP exchange, tokens and all. Default false. */
  readonly verbose?: boolean
  /** Merged over everything else: any option of Orthanc's configuration. */
  readonly configuration?: Readonly<Record<string, unknown>>
  /** Default: the one that is found on this machine. */
  readonly installation?: OrthancInstallation
  /** Milliseconds until Orthanc must answer. Default 30,000. */
  readonly startTimeout?: number
}

/** An Orthanc of our own. `close()` ends it and removes all that it stored. */
export interface LocalOrthanc {
  readonly url: string
  readonly rest: OrthancRest
  /** The last 64 KiB of what it logged. */
  log(): string
  close(): Promise<void>
}

const LOG_LIMIT = 64 * 1024
const PORT_ATTEMPTS = 3
const STOP_TIMEOUT = 10_000
const START_POLL = 50

/** Starts the Orthanc of this machine on a free loopback port, with an empty storage in a temporary folder. */
export async function startLocalOrthanc(options: LocalOrthancOptions = {}): Promise<LocalOrthanc> {
  const installation = options.installation ?? findOrthanc()
  if (!installation) {
    throw new OrthancError(
      'Orthanc with its DICOMweb plugin is not installed (Debian: apt install orthanc orthanc-dicomweb)',
    )
  }
  for (let attempt = 1; ; attempt++) {
    const orthanc = await launch(installation, options)
    try {
      await untilReady(orthanc, options.startTimeout ?? 30_000)
      return orthanc
    } catch (error) {
      await orthanc.close()
      // Between our look for a free port and Orthanc's own bind somebody else may take it.
      if (attempt === PORT_ATTEMPTS || !/already in use/i.test(orthanc.log())) throw error
    }
  }
}

interface Launched extends LocalOrthanc {
  readonly name: string
  readonly child: ChildProcess
  /** When the process is gone, or never came, and all of its log is read. */
  readonly gone: Promise<void>
}

async function launch(installation: OrthancInstallation, options: LocalOrthancOptions): Promise<Launched> {
  const folder = await mkdtemp(join(tmpdir(), 'local-orthanc-'))
  const name = `local-${randomUUID()}`
  const port = await freePort()
  const file = join(folder, 'orthanc.json')
  await writeFile(file, JSON.stringify(localConfiguration({ ...options, installation, folder, name, port }), null, 2))
  const child = spawn(installation.executable, [...(options.verbose ? ['--verbose'] : []), file], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    // libcurl reads the proxies of the environment, and would ask them for our loopback addresses.
    env: { ...process.env, NO_PROXY: '*', no_proxy: '*' },
  })
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const url = `http://127.0.0.1:${port}`
  const rest = new OrthancRest(url, firstUser(options))
  const close = closer({ child, gone, rest, folder })
  return { url, name, rest, child, gone, log: collectLog(child), close }
}

// Where the given configuration asks for authentication, we are the first of its users.
function firstUser({ configuration }: LocalOrthancOptions): OrthancRestOptions {
  const users = Object.entries((configuration?.RegisteredUsers ?? {}) as Record<string, string>)
  return users[0] ? { username: users[0][0], password: users[0][1] } : {}
}

/** The end of a process that we started, in order; more than one call is fine. */
function closer({ child, gone, rest, folder }: Pick<Launched, 'child' | 'gone' | 'rest'> & { folder: string }) {
  // When we die without close(), Orthanc must not outlive us.
  const lastResort = (): void => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', lastResort)
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    await rest.close()
    await stop(child, gone)
    process.removeListener('exit', lastResort)
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  return (): Promise<void> => {
    closing ??= close()
    return closing
  }
}

async function stop(child: ChildProcess, gone: Promise<void>): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT)
  await gone
  clearTimeout(timer)
}

async function untilReady(orthanc: Launched, timeout: number): Promise<void> {
  const deadline = performance.now() + timeout
  while (performance.now() < deadline) {
    if (hasEnded(orthanc.child)) {
      await orthanc.gone
      throw startFailure('ended while it started', orthanc)
    }
    if (await answersAs(orthanc)) return
    await delay(START_POLL)
  }
  throw startFailure(`did not answer within ${timeout} ms`, orthanc)
}

// The name tells our Orthanc from another one that took the port a moment earlier.
async function answersAs({ rest, name }: Launched): Promise<boolean> {
  try {
    return (await rest.system()).Name === name
  } catch {
    return false
  }
}

function startFailure(what: string, { child, log }: Launched): OrthancError {
  const lines = log().trimEnd().split('\n').slice(-15).join('\n')
  return new OrthancError(`${child.spawnfile} ${what}. Its last lines:\n${lines}`)
}

// A child that could not be spawned at all has no process id, and never gets an exit code.
function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

function collectLog(child: ChildProcess): () => string {
  let log = ''
  const append = (text: string): void => {
    log = (log + text).slice(-LOG_LIMIT)
  }
  child.stdout?.setEncoding('utf8').on('data', append)
  child.stderr?.setEncoding('utf8').on('data', append)
  child.on('error', (error) => append(`${error.message}\n`))
  return () => log
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('A TCP server has no port')
  return address.port
}
