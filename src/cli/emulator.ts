import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Emulator, startEmulator } from '../emulator/emulator.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { hangupEnds, untilEnded } from './process/signals.ts'

interface EmulatorOptions {
  readonly port: string
  readonly folder?: string
  readonly store?: readonly string[]
}

/** Runs the Google emulator until a signal stops it. */
export async function emulator({ port, folder, store }: EmulatorOptions): Promise<ExitCode> {
  if (!/^\d{1,5}$/.test(port)) throw new CommandFailure(`--port ${port} is not a port number.`, exitCode.usage)
  const ended = untilEnded(hangupEnds)
  const home = folder ? resolve(folder) : await mkdtemp(join(tmpdir(), 'dicomweb-emulator-'))
  const running = await start(Number(port), home, store)
  await print(running, join(home, 'credentials'))
  const code = await ended
  await running.close()
  if (!folder) await rm(home, { recursive: true, force: true })
  return code
}

async function start(port: number, home: string, stores: readonly string[] | undefined): Promise<Emulator> {
  try {
    return await startEmulator({ port, folder: join(home, 'stores'), ...(stores && { stores }) })
  } catch (cause) {
    const { message } = cause as Error
    throw new CommandFailure(`The emulator can't start: ${message}`, exitCode.failure, { cause })
  }
}

async function print(running: Emulator, credentials: string): Promise<void> {
  await mkdir(credentials, { recursive: true })
  const files = await running.writeCredentials(credentials)
  process.stdout.write(`The Google emulator listens at ${running.url}

Configuration of the proxy:
  "GoogleCloudPlatform": {
    "BaseUrl": "${running.baseUrl}",
    "TokenUrl": "${running.tokenUrl}",
    "Accounts": { "NAME": { …, "ServiceAccountFile": "${files.serviceAccountFile}" } }
  }

Credential files of every kind are in ${credentials}
Inject faults: PUT ${running.url}/emulator/faults
`)
}
