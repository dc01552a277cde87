import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { Test } from 'tap'
import { loadSettings } from '../../src/config/load.ts'
import type { ReloadPlan } from '../../src/config/reload-plan.ts'
import {
  type CredentialFiles,
  type Emulator,
  type EmulatorOptions,
  startEmulator,
} from '../../src/emulator/emulator.ts'
import { multipart, type SyntheticInstance } from '../../src/emulator/synthetic-study.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { type RunningProxy, startProxy, type UploadWatch } from '../../src/proxy/proxy.ts'
import { makeCertificate } from './certificate.ts'

export interface Served {
  readonly emulator: Emulator
  readonly credentials: CredentialFiles
  readonly proxy: RunningProxy
  /** Of the account `google`, with a slash at the end. */
  readonly url: string
  /** The proxy's log so far, a JSON object per line. */
  log(): Record<string, unknown>[]
  /**
   * Gives the running proxy the configuration that these options make. Emulator and credentials
   * stay.
   */
  reload(options?: ServedOptions): Promise<ReloadPlan>
}

export interface ServedOptions {
  readonly emulator?: EmulatorOptions
  /** Takes the emulator's place as Google's DICOM API. */
  readonly baseUrl?: string
  /** More keys, by section; an account `google` for the emulator's demo store is there already. */
  readonly accounts?: (credentials: CredentialFiles) => Record<string, object>
  readonly google?: object
  readonly proxy?: object
  readonly top?: object
  /** Who looks after Orthanc's failed uploads. */
  readonly uploads?: UploadWatch
}

const AUTHORITIES = 'authorities.pem'

/** Tokens, keys, and the patients and UIDs of the synthetic studies. */
const secrets = /ya29\.|PRIVATE KEY|Basic [\w+/]{8}|Synthetic|SYN-\d|2\.25\.\d{8}/

const store = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }

/**
 * The proxy, as its command would start it from a file, in front of the emulator. Both end with the
 * test.
 */
export async function startServed(t: Test, options: ServedOptions = {}): Promise<Served> {
  const emulator = await startEmulator(options.emulator)
  t.teardown(() => emulator.close())
  // Not the test's own folder, which tap creates again at each access.
  const folder = await mkdtemp(join(tmpdir(), 'served-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const credentials = await emulator.writeCredentials(folder)
  // An authority of its own spares each file of tests the reading of the system's: a quarter of a
  // second.
  await writeFile(join(folder, AUTHORITIES), makeCertificate().authority)
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(...String(chunk).trim().split('\n'))
      done()
    },
  })
  const settings = await settingsFor(folder, emulator, credentials, options)
  const logger = createLogger({ verbose: true, destination })
  const proxy = await startProxy(settings, { logger, uploads: options.uploads ?? null })
  t.teardown(async () => {
    await proxy.close()
    // In every test, tokens, keys, patients and UIDs must be in no line of the log.
    for (const line of lines) if (secrets.test(line)) throw new Error(`The log has a secret or a patient: ${line}`)
  })
  const url = proxy.accountUrls.get('google') ?? ''
  return {
    emulator,
    credentials,
    proxy,
    url,
    log: () => lines.map((line) => JSON.parse(line)),
    reload: async (other = {}) => proxy.reload(await settingsFor(folder, emulator, credentials, other)),
  }
}

async function settingsFor(folder: string, emulator: Emulator, credentials: CredentialFiles, options: ServedOptions) {
  const path = join(folder, 'orthanc.json')
  const google = { ...store, ServiceAccountFile: credentials.serviceAccountFile }
  const content = {
    GoogleCloudPlatform: {
      BaseUrl: options.baseUrl ?? emulator.baseUrl,
      TokenUrl: emulator.tokenUrl,
      Accounts: { google, ...options.accounts?.(credentials) },
      ...options.google,
    },
    // Tests of retries say so: others want to see the first response.
    DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0', Retry: { TotalTimeout: 0 }, ...options.proxy },
    HttpsCACertificates: AUTHORITIES,
    ...options.top,
  }
  await writeFile(path, JSON.stringify(content))
  return loadSettings({ path, environment: {}, workingDirectory: folder, homeDirectory: folder })
}

/** The keys of an account for the emulator's demo store, without its credential. */
export const demoAccount = store

/** What a STOW-RS request of these instances needs, for `fetch`. */
export function stowOf(instances: readonly Pick<SyntheticInstance, 'bytes'>[]) {
  const { contentType, chunks } = multipart([...instances], 'test-boundary')
  const headers = { 'content-type': contentType, accept: 'application/dicom+json' }
  return { method: 'POST', headers, body: Buffer.concat([...chunks]) }
}
