/** A store at the other end of a line, and proxies in front of it: processes of their own. */

import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { multipart, type StowPart } from '../src/emulator/synthetic-study.ts'
import { usageOf } from './process-usage.ts'
import { program, urlOf } from './soak/program.ts'
import { Spawned } from './spawned.ts'

export interface FarStoreOptions {
  /** In milliseconds; 0: a store that is near, and keeps nothing. */
  readonly roundTrip: number
  /** For each connection. */
  readonly bytesPerSecond: number
  /** Every so many uploads one fails; 0: none. */
  readonly failEvery: number
}

/** What is sent: its files, and their names as the response has to give them. */
export interface Study {
  readonly parts: readonly StowPart[]
  readonly uids: readonly string[]
}

export interface Uploaded {
  readonly seconds: number
  /** Requests to the store. */
  readonly requests: number
  /** Of the proxy: processor time in seconds, and MiB above what it has when it starts. */
  readonly cpu: number
  readonly memory: number
  /** Share of one core that the store took. */
  readonly storeLoad: number
}

/** One upload of a study, or several at once. */
export type Send = (studies: readonly Study[]) => Promise<Uploaded>

const MiB = 1024 ** 2
const googleStore = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }
/** Files in memory: the line is to be measured, not a disk. */
const inMemory = '/dev/shm'
/** Orthanc's libcurl writes chunks of this size. */
const chunkBytes = 65_524

/**
 * Does something with a store and a proxy for each of these numbers of connections; null: uploads
 * pass as one request.
 */
export async function withProxies<T>(
  options: FarStoreOptions,
  connections: readonly (number | null)[],
  use: (sends: readonly Send[]) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(existsSync(inMemory) ? inMemory : tmpdir(), 'bench-stow-'))
  const args = [folder, ...[options.roundTrip, options.bytesPerSecond, options.failEvery].map(String)]
  const store = options.roundTrip === 0 ? 'near-store.ts' : 'far-store.ts'
  const far = new Spawned({ program: store, args, log: join(folder, 'store.log'), nodeOptions: [] })
  const proxies: Spawned[] = []
  try {
    await far.url()
    const sends: Send[] = []
    for (const [number, each] of connections.entries()) {
      const log = join(folder, `${number}.log`)
      const proxy = program(['serve', '--config', await configFile(folder, number, each)], log)
      proxies.push(proxy)
      sends.push(await sending(far, proxy, await urlOf('google', log)))
    }
    return await use(sends)
  } finally {
    for (const proxy of proxies) await proxy.close()
    await far.close()
    await rm(folder, { recursive: true })
  }
}

async function configFile(folder: string, number: number, connections: number | null): Promise<string> {
  const { baseUrl, tokenUrl, serviceAccountFile } = JSON.parse(await readFile(join(folder, 'store.json'), 'utf8'))
  const parallel = connections === null ? {} : { ParallelStow: { Connections: connections } }
  const content = {
    GoogleCloudPlatform: {
      BaseUrl: baseUrl,
      TokenUrl: tokenUrl,
      Accounts: { google: { ...googleStore, ServiceAccountFile: serviceAccountFile, ...parallel } },
    },
    DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: null },
  }
  const file = join(folder, `${number}.json`)
  await writeFile(file, JSON.stringify(content))
  return file
}

async function sending(far: Spawned, proxy: Spawned, url: string): Promise<Send> {
  const { memory } = usageOf(proxy.pid)
  return async (studies) => {
    const before = { proxy: usageOf(proxy.pid).cpu, store: usageOf(far.pid).cpu }
    const requestsBefore = await far.ask<number>('uploads')
    const startedAt = performance.now()
    await Promise.all(studies.map((study) => upload(`${url}studies`, study)))
    const seconds = (performance.now() - startedAt) / 1000
    const { cpu, peakMemory } = usageOf(proxy.pid)
    return {
      seconds,
      requests: (await far.ask<number>('uploads')) - requestsBefore,
      cpu: (cpu - before.proxy) / 1e6,
      memory: (peakMemory - memory) / MiB,
      storeLoad: (usageOf(far.pid).cpu - before.store) / 1e6 / seconds,
    }
  }
}

/** Throws unless each instance is reported as stored, once. */
async function upload(url: string, { parts, uids }: Study): Promise<void> {
  const { contentType, chunks } = multipart(parts, 'c2f7a1f0-9a3b-4c1e-8c53-5a86a2a3a0a1')
  const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
  const sending = request(url, { method: 'POST', headers })
  const response = new Promise<string>((resolve, reject) => {
    sending.once('error', reject).once('response', async (message) => {
      let text = ''
      for await (const chunk of message) text += chunk
      if (message.statusCode === 200) resolve(text)
      else reject(new Error(`${message.statusCode}: ${text.slice(0, 500)}`))
    })
  })
  // What fails is told once the response is awaited.
  response.catch(() => {})
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += chunkBytes) {
      if (sending.write(chunk.subarray(at, at + chunkBytes))) continue
      await Promise.race([new Promise((resolve) => sending.once('drain', resolve)), response])
    }
  }
  sending.end()
  const items: { '00081155'?: { Value?: string[] } }[] = JSON.parse(await response)['00081199']?.Value ?? []
  const stored = items.map((item) => item['00081155']?.Value?.[0])
  const isWhole = uids.every((uid, at) => stored[at] === uid)
  if (!isWhole || stored.length !== uids.length) throw new Error('The response does not name all instances as sent')
}
