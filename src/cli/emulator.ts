import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { type Emulator, startEmulator } from '../emulator/emulator.ts'
import { fill } from '../emulator/fill.ts'
import { shownText } from '../outside-words.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { hangupEnds, untilEnded } from './process/signals.ts'

interface EmulatorOptions {
  readonly port: string
  readonly folder?: string
  readonly store?: readonly string[]
  readonly fill?: string
}

/** Runs the Google emulator until a signal stops it. */
export async function emulator({ port, folder, store, fill: from }: EmulatorOptions): Promise<ExitCode> {
  if (!/^\d{1,5}$/.test(port)) throw new CommandFailure(`--port ${port} is not a port number.`, exitCode.usage)
  if (from !== undefined) await checkSource(from, folder)
  const ended = untilEnded(hangupEnds)
  const home = folder ? resolve(folder) : await mkdtemp(join(tmpdir(), 'dicomweb-emulator-'))
  const running = await start(Number(port), home, store)
  await print(running, join(home, 'credentials'))
  if (from !== undefined) await fillFrom(from, running, ended)
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

/** A folder that the emulator writes to would grow while it is read. */
async function checkSource(from: string, folder: string | undefined): Promise<void> {
  const isFolder = await stat(from).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isFolder) throw new CommandFailure(`--fill ${from} is not a folder that can be read.`, exitCode.usage)
  if (folder === undefined || relative(resolve(from), resolve(folder)).startsWith('..')) return
  throw new CommandFailure(`--folder ${folder} is inside --fill ${from}: name another one.`, exitCode.usage)
}

/** Tells of each file as it comes; ends early when the emulator does. */
async function fillFrom(from: string, running: Emulator, ended: Promise<unknown>): Promise<void> {
  let isEnded = false
  ended.then(() => {
    isEnded = true
  })
  process.stdout.write(`\nStoring the DICOM files of ${shownText(from)}\n`)
  let [stored, skipped] = [0, 0]
  for await (const file of fill(resolve(from), running.store)) {
    if (file.skipped === undefined) stored += 1
    else skipped += 1
    process.stdout.write(`${file.skipped === undefined ? 'stored ' : 'skipped'}  ${line(file)}\n`)
    if (isEnded) return
  }
  process.stdout.write(`${stored} stored, ${skipped} skipped\n`)
}

function line({ file, skipped }: { readonly file: string; readonly skipped?: string }): string {
  return skipped === undefined ? shownText(file) : `${shownText(file)}: ${shownText(skipped)}`
}
