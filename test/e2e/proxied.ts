import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Test } from 'tap'
import { loadSettings } from '../../src/config/load.ts'
import {
  type CredentialFiles,
  demoStore,
  type Emulator,
  type EmulatorOptions,
  startEmulator,
} from '../../src/emulator/emulator.ts'
import type { LocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import type { DicomWebServerEntry } from '../../src/orthanc/orthanc-rest.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { startOrthanc } from '../helpers/orthanc.ts'

export interface Proxied {
  readonly orthanc: LocalOrthanc
  readonly emulator: Emulator
  readonly credentials: CredentialFiles
  /** Of HTTP, that requests to the proxy came in. */
  readonly versions: ReadonlySet<string>
  /** The proxy's log so far. */
  readonly lines: readonly Readonly<Record<string, unknown>>[]
}

export interface ProxiedOptions {
  /**
   * An account of the proxy for each of these, and a DICOMweb server of the same name in Orthanc.
   */
  readonly accounts: Readonly<Record<string, Account>>
  readonly emulator?: EmulatorOptions
  /** Keys of the proxy's own section. */
  readonly proxy?: object
  /** Orthanc comes over TLS, and may speak HTTP/2. */
  readonly http2?: boolean
  /** Options of Orthanc's configuration. */
  readonly configuration?: Readonly<Record<string, unknown>>
  /** More DICOMweb servers in Orthanc, by what differs from the account that they lead to. */
  readonly servers?: Readonly<Record<string, { account: string; entry: Readonly<Record<string, string>> }>>
}

export interface Account {
  /** Default `demoStore`. */
  readonly store?: string
  /** Keys of the account that name its credential. */
  readonly credential: (files: CredentialFiles) => Readonly<Record<string, unknown>>
}

export const serviceAccount = ({ serviceAccountFile }: CredentialFiles) => ({ ServiceAccountFile: serviceAccountFile })
export const authorizedUser = ({ authorizedUserFile }: CredentialFiles) => ({ AuthorizedUserFile: authorizedUserFile })

/**
 * A real Orthanc, whose DICOMweb servers are the proxy, whose Google is the emulator. All of them
 * end with the test.
 */
export async function startProxied(t: Test, options: ProxiedOptions): Promise<Proxied> {
  const folder = t.testdir()
  const emulator = await startEmulator(options.emulator)
  t.teardown(() => emulator.close())
  const credentials = await emulator.writeCredentials(folder)
  const tls = options.http2 ? await writeIdentity(folder) : null
  const settings = await settingsFor(folder, emulator, credentials, {
    ...options,
    proxy: { ...options.proxy, ...(tls && { Tls: tls.section }) },
  })
  const versions = new Set<string>()
  const lines: Record<string, unknown>[] = []
  const note = {
    write: (text: string) => {
      const line = JSON.parse(text)
      lines.push(line)
      versions.add(line.httpVersion)
    },
  }
  const proxy = await startProxy(settings, { logger: pino({}, note) })
  t.teardown(() => proxy.close())
  const { configuration = {} } = options
  const orthanc = await startOrthanc(t, {
    servers: serversFor(proxy.url, options),
    configuration: { ...configuration, ...(tls && { HttpsCACertificates: tls.authority }) },
  })
  return { orthanc, emulator, credentials, versions, lines }
}

async function writeIdentity(folder: string) {
  const { authority, cert, key } = makeCertificate()
  const files = {
    authority: join(folder, 'authority.pem'),
    cert: join(folder, 'cert.pem'),
    key: join(folder, 'key.pem'),
  }
  await writeFile(files.authority, authority)
  await writeFile(files.cert, cert)
  await writeFile(files.key, key)
  return { authority: files.authority, section: { Certificate: files.cert, Key: files.key, Http2: true } }
}

async function settingsFor(
  folder: string,
  emulator: Emulator,
  credentials: CredentialFiles,
  { accounts, proxy }: ProxiedOptions,
) {
  const path = join(folder, 'orthanc.json')
  const GoogleCloudPlatform = {
    BaseUrl: emulator.baseUrl,
    TokenUrl: emulator.tokenUrl,
    Accounts: Object.fromEntries(
      Object.entries(accounts).map(([name, { store, credential }]) => [
        name,
        { ...storeKeys(store), ...credential(credentials) },
      ]),
    ),
  }
  await writeFile(
    path,
    JSON.stringify({ GoogleCloudPlatform, DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: null, ...proxy } }),
  )
  return loadSettings({ path, environment: {}, workingDirectory: folder, homeDirectory: folder })
}

function storeKeys(store = demoStore): Record<string, string> {
  const [, Project = '', , Location = '', , Dataset = '', , DicomStore = ''] = store.split('/')
  return { Project, Location, Dataset, DicomStore }
}

function serversFor(url: string, { accounts, servers = {} }: ProxiedOptions): Record<string, DicomWebServerEntry> {
  const entryOf = (account: string) => ({ Url: new URL(`${account}/`, url).href, HasDelete: '1' })
  return {
    ...Object.fromEntries(Object.keys(accounts).map((name) => [name, entryOf(name)])),
    ...Object.fromEntries(
      Object.entries(servers).map(([name, { account, entry }]) => [name, { ...entryOf(account), ...entry }]),
    ),
  }
}
