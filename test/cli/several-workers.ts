import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { startProgram } from '../helpers/program.ts'
import { demoAccount, stowOf } from '../helpers/served.ts'

/** Tokens, keys, and the patients and UIDs of the synthetic studies. */
const secrets = /ya29\.|PRIVATE KEY|Basic [\w+/]{8}|Synthetic|SYN-\d|2\.25\.\d{8}/

interface Options {
  readonly proxy?: object
  /** Names of more accounts of the same store. */
  readonly more?: readonly string[]
}

type Line = Record<string, unknown>

/** The program with two workers, in front of the emulator, once it serves. All of it ends with the test. */
export async function startServing(t: Test, options: Options = {}) {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = await mkdtemp(join(tmpdir(), 'workers-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const { serviceAccountFile } = await emulator.writeCredentials(folder)
  const path = join(folder, 'orthanc.json')
  const configure = ({ proxy, more = [] }: Options) => {
    const account = { ...demoAccount, ServiceAccountFile: serviceAccountFile }
    const Accounts = Object.fromEntries(['google', ...more].map((name) => [name, account]))
    const { baseUrl: BaseUrl, tokenUrl: TokenUrl } = emulator
    const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0', Workers: 2, ...proxy }
    return writeFile(path, JSON.stringify({ GoogleCloudPlatform: { BaseUrl, TokenUrl, Accounts }, DicomWebProxy }))
  }
  await configure(options)
  const { child, output } = startProgram(t, ['--config', path], {}, ['--max-semi-space-size=2'])
  const lines = () =>
    output()
      .trim()
      .split('\n')
      .filter((line) => line !== '')
  const log = () => lines().map((line) => JSON.parse(line) as Line)
  const said = (message: RegExp) => log().filter(({ msg }) => message.test(String(msg)))
  t.teardown(() => {
    for (const line of lines()) if (secrets.test(line)) throw new Error(`The log has a secret or a patient: ${line}`)
  })
  await eventually('it serves', () => said(/^admin listener/).length === 1, 30_000)
  const admin = String(said(/^admin listener/)[0]?.url)
  await eventually('it is ready', async () => (await fetch(`${admin}/readyz`)).ok)
  const status = async () => (await fetch(`${admin}/api/status`)).json() as Promise<Status>
  const pids = (worker: number) =>
    said(/a worker process serves/)
      .filter((line) => line.worker === worker)
      .map(({ pid }) => Number(pid))
  return {
    child,
    admin,
    url: String(said(/^DICOMweb server/)[0]?.url),
    said,
    /** The lines of requests. */
    requests: () => said(/^request$/),
    configure,
    /** Process ids of all workers that have served so far, by their number, the latest last. */
    pids,
    status,
    /** Resolves when all serve, so many were started anew, and `pids` has them all. */
    allServe: (times: number) =>
      eventually('all serve', async () => {
        const { wanted, serving, restarts } = (await status()).workers
        const latest = Array.from({ length: wanted }, (_, index) => pids(index + 1).at(-1))
        return serving === wanted && restarts === times && latest.every((pid) => pid !== undefined && isThere(pid))
      }),
    metrics: async () => (await fetch(`${admin}/metrics`)).text(),
  }
}

export interface Status {
  readonly workers: { readonly wanted: number; readonly serving: number; readonly restarts: number }
  readonly audit: { readonly available: boolean; readonly lost: number } | null
  readonly accounts: readonly {
    readonly name: string
    readonly requests: Record<string, Record<string, number>>
    readonly underWay: { readonly count: number }
    readonly failures: readonly Record<string, unknown>[]
  }[]
}

/** Asks, on a connection of its own unless another agent says otherwise. */
export async function ask(
  url: string,
  headers: Record<string, string> = {},
  agent: Agent | false = false,
): Promise<number> {
  return statusOf(request(url, { agent, headers }).end())
}

/** An upload on a connection of its own, of which the first half has been sent. */
export function beginUpload(url: string): { finish(): void; readonly status: Promise<number> } {
  const { headers, body } = stowOf([...syntheticStudy({ instances: 1 })])
  const upload = request(`${url}studies`, { agent: false, method: 'POST', headers })
  upload.write(body.subarray(0, body.length / 2))
  return { finish: () => upload.end(body.subarray(body.length / 2)), status: statusOf(upload) }
}

async function statusOf(asking: ClientRequest): Promise<number> {
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  return answer.statusCode ?? 0
}

/** Whether there is such a process. */
export function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
