/**
 * `npm run bench:restart`: what a restart in the middle of an upload costs: of one proxy by SIGTERM
 * and a new start, of one proxy that hands its sockets to a successor (docs/adr/0039), and of two
 * behind HAProxy (deploy/haproxy), one after the other. The store and the proxies are processes of
 * their own; this one is the clients: an upload at a steady rate, and a search every so often, each
 * on a connection of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { get, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { multipart, type SyntheticInstance, syntheticStudy } from '../src/emulator/synthetic-study.ts'
import { freePort } from '../src/orthanc/local-orthanc.ts'
import { nodeOptionsOfAll, Spawned } from './spawned.ts'
import { table } from './table.ts'

const MiB = 1024 ** 2
const store = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
/** Orthanc's libcurl writes chunks of this size. */
const chunkBytes = 65_524
const searchIntervalMs = 125
/** An upload at the given rate outlasts the default ShutdownGrace, and fits into this one. */
const longGrace = 600

interface Load {
  readonly instances: readonly SyntheticInstance[]
  readonly bytesPerSecond: number
}

interface Outcome {
  /** What became of the upload. */
  readonly upload: string
  readonly searches: number
  readonly failed: number
  readonly slowestMs: number
  /** From the first search that failed to the first that succeeded after it; 0 without one. */
  readonly outageMs: number
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mebibytes: { type: 'string', default: '1024' },
      'mebibytes-per-second': { type: 'string', default: '16' },
    },
  })
  const mebibytes = Number(values.mebibytes)
  const side = 512
  const instances = [...syntheticStudy({ instances: mebibytes * 2, rows: side, columns: side })]
  const load = { instances, bytesPerSecond: Number(values['mebibytes-per-second']) * MiB }
  const ways: readonly [string, (folder: string) => Promise<Outcome>][] = [
    ['one proxy: SIGTERM, then a start', (folder) => stopAndStart(folder, load)],
    ['one proxy: SIGUSR2, by a successor', (folder) => handOver(folder, load)],
    ['two behind HAProxy, one after the other', (folder) => roll(folder, load)],
  ]
  const rows: string[][] = []
  for (const [way, measure] of ways) {
    const { upload, searches, failed, slowestMs, outageMs } = await withStore(measure)
    rows.push([way, upload, `${failed} of ${searches}`, (outageMs / 1000).toFixed(1), slowestMs.toFixed(0)])
    process.stderr.write(`${rows.at(-1)?.join(', ')}\n`)
  }
  const head = ['restart', 'upload', 'searches that failed', 'outage, s', 'slowest search, ms']
  process.stdout.write(`${table(head, rows)}\n`)
}

async function withStore(measure: (folder: string) => Promise<Outcome>): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-restart-'))
  const args = [folder, '0', String(10_000 * MiB), '0']
  const far = new Spawned({ program: 'far-store.ts', args, log: join(folder, 'store.log'), nodeOptions: [] })
  try {
    await far.url()
    return await measure(folder)
  } finally {
    await far.close()
    await rm(folder, { recursive: true })
  }
}

async function stopAndStart(folder: string, load: Load): Promise<Outcome> {
  const proxy = await RestartableProxy.start(folder)
  const outcome = await underLoad(proxy.url, load, async () => {
    await proxy.stop()
    await proxy.restart()
  })
  await proxy.stop()
  return outcome
}

async function handOver(folder: string, load: Load): Promise<Outcome> {
  const proxy = await RestartableProxy.start(folder)
  const outcome = await underLoad(proxy.url, load, () => proxy.handOver())
  await proxy.stop()
  return outcome
}

async function roll(folder: string, load: Load): Promise<Outcome> {
  const proxies = [await RestartableProxy.start(folder, longGrace), await RestartableProxy.start(folder, longGrace)]
  const port = await freePort()
  const example = await readFile(new URL('../deploy/haproxy/haproxy.cfg', import.meta.url), 'utf8')
  const ports = new Map([
    ['8143', port],
    ...proxies.flatMap((proxy, at) => [
      [`80${at === 0 ? 4 : 5}3`, proxy.port] as const,
      [`80${at === 0 ? 4 : 5}4`, proxy.adminPort] as const,
    ]),
  ])
  const configuration = join(folder, 'haproxy.cfg')
  await writeFile(
    configuration,
    example.replaceAll(/\b8\d{3}\b/g, (given) => String(ports.get(given) ?? given)),
  )
  const haproxy = spawn('haproxy', ['-db', '-f', configuration], { stdio: ['ignore', 'ignore', 'inherit'] })
  await until(async () => (await search(`http://127.0.0.1:${port}/google/`)).status === 200)
  const outcome = await underLoad(`http://127.0.0.1:${port}/google/`, load, async () => {
    for (const proxy of proxies) {
      await proxy.stop()
      await proxy.restart()
      // HAProxy has seen it.
      await delay(2_000)
    }
  })
  haproxy.kill()
  for (const proxy of proxies) await proxy.stop()
  return outcome
}

/** The program in its own process, with a configuration and addresses that it keeps. */
class RestartableProxy {
  readonly port: number
  readonly adminPort: number
  readonly #configuration: string
  readonly #log: string
  #child: ChildProcess
  #pid: number

  static async start(folder: string, grace?: number): Promise<RestartableProxy> {
    const [port, adminPort] = [await freePort(), await freePort()]
    const { baseUrl, tokenUrl, serviceAccountFile } = JSON.parse(await readFile(join(folder, 'store.json'), 'utf8'))
    const configuration = join(folder, `${port}.json`)
    const GoogleCloudPlatform = {
      BaseUrl: baseUrl,
      TokenUrl: tokenUrl,
      Accounts: { google: { ...store, ServiceAccountFile: serviceAccountFile } },
    }
    const DicomWebProxy = {
      Listen: `127.0.0.1:${port}`,
      AdminListen: `127.0.0.1:${adminPort}`,
      ...(grace && { ShutdownGrace: grace }),
    }
    await writeFile(configuration, JSON.stringify({ GoogleCloudPlatform, DicomWebProxy }))
    const proxy = new RestartableProxy(port, adminPort, configuration)
    await proxy.#ready()
    return proxy
  }

  private constructor(port: number, adminPort: number, configuration: string) {
    this.port = port
    this.adminPort = adminPort
    this.#configuration = configuration
    this.#log = `${configuration}.log`
    this.#child = this.#spawn()
    this.#pid = this.#child.pid ?? 0
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/google/`
  }

  /** Resolves when it has ended, with all that it was serving. */
  async stop(): Promise<void> {
    process.kill(this.#pid, 'SIGTERM')
    await until(() => !isRunning(this.#pid))
  }

  async restart(): Promise<void> {
    this.#child = this.#spawn()
    this.#pid = this.#child.pid ?? 0
    await this.#ready()
  }

  /** Resolves when the successor serves. */
  async handOver(): Promise<void> {
    process.kill(this.#pid, 'SIGUSR2')
    await until(async () => {
      const [, pid] = /"successor":(\d+),"msg":"a successor accepts/.exec(await readFile(this.#log, 'utf8')) ?? []
      if (pid === undefined) return false
      this.#pid = Number(pid)
      return true
    })
  }

  #spawn(): ChildProcess {
    const log = openSync(this.#log, 'a')
    const child = spawn(process.execPath, [...nodeOptionsOfAll, main, '--config', this.#configuration], {
      // An outgoing proxy of this machine must not come between.
      env: { PATH: process.env.PATH },
      stdio: ['ignore', log, 'inherit'],
    })
    closeSync(log)
    return child
  }

  async #ready(): Promise<void> {
    await until(async () => {
      const response = await fetch(`http://127.0.0.1:${this.adminPort}/readyz`).catch(() => null)
      return response?.status === 200
    })
  }
}

/** Restarts after an eighth of the upload, and goes on until upload and restart are over. */
async function underLoad(url: string, load: Load, restart: () => Promise<void>): Promise<Outcome> {
  const times: { at: number; took: number; failed: boolean }[] = []
  let goesOn = true
  const searching: Promise<void>[] = []
  const loop = async () => {
    while (goesOn) {
      const at = performance.now()
      searching.push(
        search(url).then(({ status, took }) => {
          times.push({ at, took, failed: status !== 200 })
        }),
      )
      await delay(searchIntervalMs)
    }
  }
  const searches = loop()
  const uploading = upload(url, load)
  const bytes = load.instances.reduce((sum, { bytes }) => sum + bytes.length, 0)
  await delay((bytes / load.bytesPerSecond / 8) * 1000)
  const restarting = restart()
  const result = await uploading
  await restarting
  // Whether it is over shows in the next searches.
  await delay(4 * searchIntervalMs)
  goesOn = false
  await searches
  await Promise.all(searching)
  const failed = times.filter(({ failed }) => failed)
  const lastFailed = Math.max(...failed.map(({ at }) => at), 0)
  const back = times.filter(({ at, failed }) => !failed && at > lastFailed)
  return {
    upload: result,
    searches: times.length,
    failed: failed.length,
    slowestMs: Math.max(...times.map(({ took }) => took)),
    outageMs: failed.length === 0 ? 0 : Math.min(...back.map(({ at }) => at)) - Math.min(...failed.map(({ at }) => at)),
  }
}

/** Sends a study at a steady rate. Resolves with what became of it, in words. */
async function upload(url: string, { instances, bytesPerSecond }: Load): Promise<string> {
  const { contentType, chunks } = multipart(instances, 'c2f7a1f0-9a3b-4c1e-8c53-5a86a2a3a0a1')
  const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
  const sending = request(`${url}studies`, { method: 'POST', headers, agent: false })
  const { promise: ended, resolve: end } = Promise.withResolvers<string>()
  sending.once('error', ({ message }) => end(`cut after ${Math.round(sent / MiB)} MiB (${message})`))
  sending.once('response', async (response) => {
    let text = ''
    for await (const chunk of response) text += chunk
    const stored = response.statusCode === 200 ? JSON.parse(text)['00081199']?.Value.length : 0
    const isWhole = stored === instances.length
    end(
      isWhole
        ? `all ${Math.round(sent / MiB)} MiB stored`
        : `${response.statusCode}, ${stored} of ${instances.length} instances stored`,
    )
  })
  let isOver = false
  void ended.then(() => {
    isOver = true
  })
  let sent = 0
  const began = performance.now()
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length && !isOver; at += chunkBytes) {
      const part = chunk.subarray(at, at + chunkBytes)
      if (!sending.write(part)) await Promise.race([once(sending, 'drain').catch(() => {}), ended])
      sent += part.length
      const ahead = (sent / bytesPerSecond) * 1000 - (performance.now() - began)
      if (ahead > 20) await delay(ahead)
    }
  }
  sending.end()
  return ended
}

async function search(url: string): Promise<{ status: number | string; took: number }> {
  const began = performance.now()
  const status = await new Promise<number | string>((resolve) => {
    const asked = get(`${url}studies?limit=1`, { agent: false }, (response) => {
      response.resume().once('close', () => resolve(response.complete ? (response.statusCode ?? 0) : 'cut'))
    })
    asked.once('error', ({ message }) => resolve(message))
  })
  return { status, took: performance.now() - began }
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await delay(20)
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

await run()
