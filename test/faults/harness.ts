import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSettings } from '../../src/config/load.ts'
import type { Settings } from '../../src/config/settings.ts'
import { type CredentialFiles, type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { userToken } from '../emulator/session.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import type { Cause, Fault } from './faults.ts'
import { nowhere } from './upstream.ts'

/** An emulator that many cases share, each with a store of its own. */
export interface Harness {
  readonly emulator: Emulator
  /** For requests past the proxy. */
  readonly token: string
  /** Who has signed the proxy's certificate. */
  readonly ca: string
  /**
   * As the command would read them for this store, and for Google's API at this address.
   *
   * @param isHttp2 over TLS then
   */
  settingsFor(store: string, baseUrl: string, fault: Fault, isHttp2?: boolean): Promise<Settings>
}

/**
 * One emulator for all cases, and one more for each fault that concerns what cases share: the
 * issuer of tokens, and the operations.
 */
export class Harnesses {
  readonly #shared: Promise<OpenHarness>
  readonly #own = new Map<Cause, Promise<OpenHarness>>()

  constructor() {
    this.#shared = openHarness({ store: {} })
  }

  for({ cause }: Fault): Promise<Harness> {
    if (!('token' in cause || 'operation' in cause)) return this.#shared
    const harness = this.#own.get(cause) ?? openHarness(cause)
    this.#own.set(cause, harness)
    return harness
  }

  async close(): Promise<void> {
    const harnesses = await Promise.all([this.#shared, ...this.#own.values()])
    await Promise.all(harnesses.map((harness) => harness.close()))
  }
}

interface OpenHarness extends Harness {
  close(): Promise<void>
}

/**
 * Small limits, so that no case takes longer than a few seconds; `MinBodyRate` lets the slow client
 * be. The budget is enough for exactly one more try: the waits before it are at most 2 s, and those
 * before another one at least 3.
 */
const limits = {
  Timeouts: { Connect: 1, Response: 3, SearchResponse: 3, Idle: 2, MinBodyRate: 100 },
  Retry: { TotalTimeout: 3 },
}

async function openHarness(cause: Cause): Promise<OpenHarness> {
  const emulator = await startEmulator()
  const folder = await mkdtemp(join(tmpdir(), 'faults-'))
  const credentials = await emulator.writeCredentials(folder)
  // An authority of its own spares each proxy the reading of the system's.
  const authorities = join(folder, 'authorities.pem')
  const { authority: ca, cert, key } = makeCertificate()
  await writeFile(authorities, ca)
  const identity = { Certificate: join(folder, 'cert.pem'), Key: join(folder, 'key.pem') }
  await writeFile(identity.Certificate, cert)
  await writeFile(identity.Key, key)
  const token = await userToken(emulator, credentials)
  const isTokens = 'token' in cause
  const tokenUrl = 'token' in cause && cause.token === 'gone' ? nowhere : emulator.tokenUrl
  if ('token' in cause && cause.token !== 'gone') emulator.faults.add({ target: 'token', ...cause.token })
  if ('operation' in cause) cause.operation(emulator)
  return {
    emulator,
    token,
    ca,
    async settingsFor(store, baseUrl, { settings }, isHttp2 = false) {
      const path = join(folder, `${store}.json`)
      const account = accountFor(store, credentials)
      const GoogleCloudPlatform = {
        BaseUrl: baseUrl,
        TokenUrl: tokenUrl,
        ...(isTokens && { Timeout: 2 }),
        Accounts: { google: account },
      }
      const Tls = { ...identity, Enabled: isHttp2, Http2: true }
      const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0', Tls, ...limits, ...settings }
      await writeFile(path, JSON.stringify({ GoogleCloudPlatform, DicomWebProxy, HttpsCACertificates: authorities }))
      return loadSettings({ path, environment: {}, workingDirectory: folder, homeDirectory: folder })
    },
    async close() {
      await emulator.close()
      await rm(folder, { recursive: true })
    },
  }
}

const dataset = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging' }

function accountFor(store: string, { serviceAccountFile }: CredentialFiles): object {
  return { ...dataset, DicomStore: store, ServiceAccountFile: serviceAccountFile }
}

/** The resource name of a store of this name. */
export function resourceName(store: string): string {
  return `projects/${dataset.Project}/locations/${dataset.Location}/datasets/${dataset.Dataset}/dicomStores/${store}`
}
