import { randomInt, randomUUID } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findOrthanc, type OrthancInstallation } from './find-orthanc.ts'
import { localConfiguration } from './local-configuration.ts'
import { OrthancError } from './orthanc-error.ts'
import { type OrthancProcess, spawnOrthanc } from './orthanc-process.ts'
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
  /** Variables of its environment. */
  readonly environment?: Readonly<Record<string, string>>
  /** Default: the one that is found on this machine. */
  readonly installation?: OrthancInstallation
  /** Milliseconds until Orthanc must respond. Default 30,000. */
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

const maxPortAttempts = 3
const startPollIntervalMs = 50
// Another program on our port may accept a connection and then send nothing.
const probeTimeoutMs = 1000

/**
 * Starts the Orthanc of this machine on a free loopback port, with an empty storage in a temporary
 * folder.
 */
export async function startLocalOrthanc(options: LocalOrthancOptions = {}): Promise<LocalOrthanc> {
  const installation = options.installation ?? findOrthanc()
  if (!installation) {
    throw new OrthancError({
      code: 'orthanc-missing',
      problem: 'Orthanc with its DICOMweb plugin is not installed.',
      remedy: 'Install it (Debian: apt install orthanc orthanc-dicomweb).',
    })
  }
  for (let attempt = 1; ; attempt++) {
    const launched = await launch(installation, options)
    try {
      await untilReady(launched, options)
      return running(launched, options)
    } catch (error) {
      await launched.process.close()
      // Between our look for a free port and Orthanc's own bind somebody else may take it.
      if (attempt === maxPortAttempts || !/already in use/i.test(launched.process.log())) throw error
    }
  }
}

interface Launched {
  readonly process: OrthancProcess
  readonly name: string
  readonly url: string
}

async function launch(installation: OrthancInstallation, options: LocalOrthancOptions): Promise<Launched> {
  const folder = await mkdtemp(join(tmpdir(), 'local-orthanc-'))
  const name = `local-${randomUUID()}`
  const port = await freePort()
  const file = join(folder, 'orthanc.json')
  await writeFile(file, JSON.stringify(localConfiguration({ ...options, installation, folder, name, port }), null, 2))
  const process = spawnOrthanc(
    installation.executable,
    [...(options.verbose ? ['--verbose'] : []), file],
    folder,
    options.environment,
  )
  return { process, name, url: `http://127.0.0.1:${port}` }
}

function running({ process, url }: Launched, options: LocalOrthancOptions): LocalOrthanc {
  const rest = new OrthancRest(url, firstUser(options))
  const close = async (): Promise<void> => {
    await rest.close()
    await process.close()
  }
  return { url, rest, log: process.log, close }
}

async function untilReady(launched: Launched, options: LocalOrthancOptions): Promise<void> {
  const { startTimeout = 30_000 } = options
  const probe = new OrthancRest(launched.url, { ...firstUser(options), timeout: probeTimeoutMs })
  try {
    const deadline = performance.now() + startTimeout
    while (!(await respondsAs(probe, launched.name))) {
      if (launched.process.hasEnded()) throw await startFailure('ended while it started', launched)
      if (performance.now() > deadline) throw await startFailure(`did not respond within ${startTimeout} ms`, launched)
      await delay(startPollIntervalMs)
    }
  } finally {
    await probe.close()
  }
}

// The name tells our Orthanc from another one that took the port a moment earlier.
async function respondsAs(probe: OrthancRest, name: string): Promise<boolean> {
  try {
    return (await probe.system()).Name === name
  } catch {
    return false
  }
}

async function startFailure(what: string, { process }: Launched): Promise<OrthancError> {
  if (process.hasEnded()) await process.gone
  const lines = process.log().trimEnd().split('\n').slice(-15).join('\n')
  return new OrthancError({
    code: 'orthanc-start',
    problem: `Orthanc ${what}.`,
    remedy: `Read the last lines of its log:\n${lines}`,
  })
}

// Where the given configuration asks for authentication, we are the first of its users.
function firstUser({ configuration }: LocalOrthancOptions): OrthancRestOptions {
  const users = Object.entries((configuration?.RegisteredUsers ?? {}) as Record<string, string>)
  return users[0] ? { username: users[0][0], password: users[0][1] } : {}
}

/**
 * A TCP port of 127.0.0.1 that nobody listens on right now. It is below those that systems give out
 * by themselves (Linux: 32768 and above), so that no other program gets it by chance a moment
 * later.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000)
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false))
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  return promise
}
