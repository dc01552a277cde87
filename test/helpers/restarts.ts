import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type Agent, get, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { json } from 'node:stream/consumers'
import type { Test } from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { multipart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from './eventually.ts'
import { type StartOptions, startProgram } from './program.ts'
import { demoAccount } from './served.ts'

export const skip = process.platform === 'win32' && 'Windows has no signals, and no sockets that can be inherited'

interface Line extends Record<string, unknown> {
  readonly msg: string
}

interface ProxyOptions extends Pick<StartOptions, 'program'> {
  /** Of the section DicomWebProxy. */
  readonly settings?: object
  /** Starts it there, where the configuration is, and names that by a relative name. */
  readonly isBesideConfiguration?: boolean
}

/** The program with an audit trail, and all of its successors. */
export async function startProxy(t: Test, env: Record<string, string> = {}, options: ProxyOptions = {}) {
  const { settings: given, program, isBesideConfiguration = false } = options
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const { serviceAccountFile } = await emulator.writeCredentials(folder)
  const file = join(folder, 'orthanc.json')
  const configure = (more: object = {}, settings: object = {}) => {
    const Accounts = { google: { ...demoAccount, ServiceAccountFile: serviceAccountFile } }
    const addresses = { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0', ...given, ...settings }
    const DicomWebProxy = { ...addresses, Audit: { File: join(folder, 'audit') } }
    const { baseUrl: BaseUrl, tokenUrl: TokenUrl } = emulator
    return writeFile(
      file,
      JSON.stringify({ GoogleCloudPlatform: { BaseUrl, TokenUrl, Accounts, ...more }, DicomWebProxy }),
    )
  }
  await configure()
  const { child, output } = startProgram(t, ['--config', isBesideConfiguration ? basename(file) : file], env, [], {
    ...(program !== undefined && { program }),
    ...(isBesideConfiguration && { workingDirectory: folder }),
  })
  const lines = (): Line[] => {
    const whole = output().slice(0, output().lastIndexOf('\n') + 1)
    return whole.split('\n').flatMap((line) => (line.startsWith('{') ? JSON.parse(line) : []))
  }
  const of = (msg: string) => lines().filter((line) => line.msg === msg)
  const successors = () => of('restarting: a successor is started').map(({ successor }) => Number(successor))
  t.teardown(() => {
    for (const pid of successors()) if (isRunning(pid)) process.kill(pid, 'SIGKILL')
  })
  await eventually('it serves', () => of('admin listener').length > 0 && of('access token fetched').length > 0)
  const url = String(of('DICOMweb server for Orthanc')[0]?.url)
  const adminUrl = String(of('admin listener')[0]?.url)
  const audit = async () =>
    (await readFile(join(folder, 'audit'), 'utf8'))
      .trim()
      .split('\n')
      .map((line): Line => JSON.parse(line))
  /** Has the process of this number restart, and resolves with its successor's. */
  const restart = async (pid = child.pid ?? 0) => {
    const takeovers = () => of('took over; the predecessor finishes its open connections').length
    const before = takeovers()
    process.kill(pid, 'SIGUSR2')
    await eventually('a successor serves', () => takeovers() > before)
    return successors().at(-1) ?? 0
  }
  return { emulator, folder, child, output, of, successors, url, adminUrl, audit, restart, configure }
}

/** The exit code; not at the end of its output, which its successors have, too. */
export async function exited(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** The status, and how long (ms) it took. */
export async function search(url: string, agent?: Agent): Promise<{ status: number | string; took: number }> {
  const began = performance.now()
  const status = await new Promise<number | string>((resolve) => {
    const asked = get(`${url}studies`, { agent: agent ?? false }, (response) => {
      response.resume().once('close', () => resolve(response.complete ? (response.statusCode ?? 0) : 'cut'))
    })
    asked.once('error', ({ message }) => resolve(message))
  })
  return { status, took: performance.now() - began }
}

/** An upload of one study whose body is sent piece by piece. */
export function startUpload(url: string) {
  const { contentType, chunks } = multipart(syntheticStudy({ instances: 4 }), 'test-boundary')
  const body = Buffer.concat([...chunks])
  const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
  const sending = request(`${url}studies`, { method: 'POST', headers, agent: false })
  const responded = new Promise<IncomingMessage>((resolve, reject) =>
    sending.once('response', resolve).once('error', reject),
  )
  responded.catch(() => {})
  let sent = 0
  return {
    response: responded,
    send(share: number) {
      const upTo = Math.round(body.length * share)
      sending.write(body.subarray(sent, upTo))
      sent = upTo
    },
    async end() {
      sending.end(body.subarray(sent))
      const response = await responded
      return { status: response.statusCode, content: (await json(response)) as Record<string, { Value: unknown[] }> }
    },
  }
}

/** What the program finds as `systemd-notify`: it notes its arguments, or fails while told to. */
export async function noteNotifications(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'notify-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [notes, refusal, kill] = [join(folder, 'notes'), join(folder, 'refusal'), join(folder, 'kill')]
  const script = `#!/bin/sh
if [ -e ${refusal} ]; then echo 'not accepted' >&2; exit 1; fi
echo "$@" >> ${notes}
if rm ${kill} 2>/dev/null; then
  pid="\${1#MAINPID=}"
  kill -KILL "$pid"
  while kill -0 "$pid"; do sleep 0.02; done 2>/dev/null
fi
`
  await writeFile(join(folder, 'systemd-notify'), script, { mode: 0o755 })
  return {
    env: { NOTIFY_SOCKET: join(folder, 'none'), PATH: `${folder}:${process.env.PATH}` },
    refuse: () => writeFile(refusal, ''),
    accept: () => rm(refusal),
    /** The process that it is told of next is killed, and its parent has noticed that. */
    killNext: () => writeFile(kill, ''),
    notes: async () => (await readFile(notes, 'utf8')).trim().split('\n'),
  }
}
