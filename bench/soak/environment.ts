import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Spawned } from '../spawned.ts'
import { control } from './fault-injector.ts'
import { lineOf, program, urlOf } from './program.ts'

/** The proxy and the stand-in for Google, each as its own process, as their commands start them. */
export interface SoakEnvironment {
  readonly proxy: Spawned
  readonly emulatorUrl: string
  /** Resource names of the stores. */
  readonly stores: readonly [string, ...string[]]
  /** URL of each account at the proxy, by its name. */
  readonly accounts: ReadonlyMap<string, string>
  /** Those whose uploads go in batches, and whose refused instances are compared. */
  readonly inBatches: ReadonlySet<string>
  /** Where the emulator keeps the files of a store. */
  folderOf(account: string): string
  /** The proxy's log. */
  readonly log: string
  close(): Promise<void>
}

/**
 * One account for each kind of credential that the emulator has a file of, each with a store of its
 * own.
 */
const kinds = {
  service: { ServiceAccountFile: 'service-account.json' },
  user: { AuthorizedUserFile: 'authorized-user.json' },
  workload: { ExternalAccountFile: 'external-account.json' },
  impersonated: {
    ServiceAccountFile: 'service-account.json',
    ImpersonateServiceAccount: 'impersonated@demo.iam.gserviceaccount.com',
  },
} as const

/** Small batches, so that most uploads have several, and so little memory that they wait for it. */
const batches = {
  ParallelStow: { Connections: 4, BatchBytes: 128 * 1024, MemoryBytes: 2 * 1024 ** 2 },
  OnDuplicate: 'verify',
}
/** The others stream: both ways are to be tried. */
const inBatches: ReadonlySet<string> = new Set(['user', 'impersonated'])

const place = { Project: 'soak', Location: 'here', Dataset: 'soak' }
const storeOf = (account: string) => `projects/soak/locations/here/datasets/soak/dicomStores/${account}`

/**
 * Shorter than any default, so that stalls, retries and full queues happen within minutes. Seconds,
 * but for bytes.
 */
const settings = {
  Listen: '127.0.0.1:0',
  AdminListen: '127.0.0.1:0',
  Retry: { TotalTimeout: 8, BufferTotal: 8 * 1024 ** 2 },
  DeletionWait: 10,
  Concurrency: { MaxInFlight: 16, QueueTimeout: 5 },
  Timeouts: { Connect: 5, Response: 6, SearchResponse: 4, Idle: 3, MinBodyRate: 1_024, RequestHeaders: 5 },
}

export async function startEnvironment(): Promise<SoakEnvironment> {
  const folder = await mkdtemp(join(tmpdir(), 'soak-'))
  const at = (name: string) => join(folder, name)
  const names = Object.keys(kinds)
  const stores = names.flatMap((name) => ['--store', storeOf(name)])
  const emulator = program(['emulator', '--port', '0', '--folder', folder, ...stores], at('emulator.log'))
  const [, emulatorUrl = ''] = await lineOf(at('emulator.log'), /listens at (\S+)/)
  // So that what is sent again is compared.
  await control(`${emulatorUrl}/emulator/behavior`, 'PUT', { duplicates: 'refused' })
  await writeFile(at('orthanc.json'), JSON.stringify(configuration(emulatorUrl, folder)))
  const proxy = program(['serve', '--config', at('orthanc.json')], at('proxy.log'))
  const accounts = new Map<string, string>()
  for (const name of names) accounts.set(name, await urlOf(name, at('proxy.log')))
  return {
    proxy,
    emulatorUrl,
    stores: [storeOf('service'), ...names.slice(1).map(storeOf)],
    accounts,
    inBatches,
    folderOf: (account) => at(join('stores', storeOf(account))),
    log: at('proxy.log'),
    async close() {
      await proxy.close()
      await emulator.close()
      await rm(folder, { recursive: true })
    },
  }
}

function configuration(emulatorUrl: string, folder: string): object {
  const account = ([name, credential]: [string, Record<string, string>]) => {
    const files = Object.entries(credential).map(([key, value]) => [key, fileIn(folder, key, value)])
    const own = inBatches.has(name) ? batches : {}
    return [name, { ...place, DicomStore: name, ...own, ...Object.fromEntries(files) }]
  }
  return {
    GoogleCloudPlatform: {
      BaseUrl: `${emulatorUrl}/v1/`,
      TokenUrl: `${emulatorUrl}/token`,
      IamCredentialsUrl: `${emulatorUrl}/`,
      AllowedCredentialHosts: [new URL(emulatorUrl).host],
      Accounts: Object.fromEntries(Object.entries(kinds).map(account)),
    },
    DicomWebProxy: settings,
  }
}

function fileIn(folder: string, key: string, value: string): string {
  return key.endsWith('File') ? join(folder, 'credentials', value) : value
}
