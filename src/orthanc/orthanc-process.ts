import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'

/** A running Orthanc, and the folder that lives as long as it does. */
export interface OrthancProcess {
  /** When the process is gone, or never came, and all of its log is read. */
  readonly gone: Promise<void>
  hasEnded(): boolean
  /** The last 64 KiB of what it logged. */
  log(): string
  /** Ends it and removes the folder; more than one call is fine. */
  close(): Promise<void>
}

const maxLogCharacters = 64 * 1024
const stopTimeoutMs = 10_000

/**
 * Starts the program in a folder, which is its own from here on. That it cannot be started at all
 * shows as an early end.
 */
export function spawnOrthanc(executable: string, options: readonly string[], folder: string): OrthancProcess {
  const child = spawn(executable, options, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    // libcurl reads the proxies of the environment, and would ask them for our loopback addresses.
    env: { ...process.env, NO_PROXY: '*', no_proxy: '*' },
  })
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  // A child that could not be spawned has no process id, and never gets an exit code.
  const hasEnded = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null
  return { gone, hasEnded, log: collectLog(child), close: closer(child, gone, folder) }
}

function collectLog(child: ChildProcess): () => string {
  let log = ''
  const append = (text: string): void => {
    log = (log + text).slice(-maxLogCharacters)
  }
  child.stdout?.setEncoding('utf8').on('data', append)
  child.stderr?.setEncoding('utf8').on('data', append)
  child.on('error', (error) => append(`${error.message}\n`))
  return () => log
}

function closer(child: ChildProcess, gone: Promise<void>, folder: string): () => Promise<void> {
  // When we die without close(), Orthanc must not outlive us.
  const lastResort = (): void => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', lastResort)
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    await stop(child, gone)
    process.removeListener('exit', lastResort)
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  return () => {
    closing ??= close()
    return closing
  }
}

async function stop(child: ChildProcess, gone: Promise<void>): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
  await gone
  clearTimeout(timer)
}
