import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Behavior, defaultBehavior } from './behavior.ts'
import { Clock } from './clock.ts'
import { type Fault, Faults } from './faults.ts'
import { handle, type State } from './handling.ts'
import { listen } from './listener.ts'
import { AccessTokens } from './oauth/access-tokens.ts'
import { type CredentialFiles, serviceAccountKey, writeCredentialFiles } from './oauth/credential-files.ts'
import { Identities, newAuthorizedUser, newWorkforceUser, newWorkloadIdentity, type Role } from './oauth/identities.ts'
import { MetadataServer } from './oauth/metadata-server.ts'
import { type RecordedRequest, RequestLog } from './request-log.ts'
import type { World } from './routes.ts'
import { DicomStore, type Stored } from './store/dicom-store.ts'
import { type OperationFailure, Operations } from './store/operations.ts'
import { receiveFile } from './store/stored-file.ts'
import { newTokenCounts, type TokenCounts } from './token-counts.ts'

export type { CredentialFiles } from './oauth/credential-files.ts'
export type { Behavior, Fault, Faults, OperationFailure, RecordedRequest, Role, TokenCounts }

/** The store that exists when no other is named. */
export const demoStore = 'projects/demo/locations/europe-west4/datasets/imaging/dicomStores/demo'

export interface EmulatorOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 0: any free one. */
  readonly port?: number
  /**
   * Where instances are kept, and found again at the next start. Default: a temporary folder that
   * ends with the emulator.
   */
  readonly folder?: string
  /** PEM; then all URLs are https. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Seconds. Default 3599. */
  readonly tokenLifetime?: number
  /** `projects/P/locations/L/datasets/D/dicomStores/S`. Default: `demoStore`. */
  readonly stores?: readonly string[]
}

export interface Emulator {
  readonly url: string
  /** What takes the place of https://healthcare.googleapis.com/v1/ ; `v1beta1` works as well. */
  readonly baseUrl: string
  readonly tokenUrl: string
  readonly stsUrl: string
  /** Root of the IAM Service Account Credentials API. */
  readonly iamCredentialsUrl: string
  /** `host:port`, for GCE_METADATA_HOST. */
  readonly metadataHost: string
  /** Identity of the metadata server's tokens. */
  readonly metadataEmail: string
  readonly faults: Faults
  readonly log: readonly RecordedRequest[]
  clearLog(): void
  readonly tokenRequests: Readonly<TokenCounts>
  addStore(name: string): void
  /** Stores a Part 10 file in the first store as an upload would, without a request. */
  store(bytes: AsyncIterable<Buffer>): Promise<Stored>
  /** URL of a store's `dicomWeb` under `v1`; of the first store unless one is named. */
  dicomWebUrl(store?: string): string
  /** Writes a file of every kind of credential; the identities live as long as the emulator. */
  writeCredentials(folder: string): Promise<CredentialFiles>
  /** Another service account; returns the content of its key file. */
  addServiceAccount(email: string): Promise<object>
  /** Every identity is editor on every store until this says otherwise. */
  grant(identity: string, store: string, role: Role): void
  /** Takes the right to impersonate a service account away. */
  denyImpersonation(identity: string, email: string): void
  /** Seconds that tokens live from now on. */
  setTokenLifetime(seconds: number): void
  /** Seconds that its clock is ahead of this machine's from now on. */
  setClockSkew(seconds: number): void
  revokeTokens(): void
  expireTokens(): void
  /**
   * Milliseconds that deleting a study or series takes from now on; Infinity: until
   * `finishOperations`.
   */
  setOperationDuration(milliseconds: number): void
  finishOperations(): Promise<void>
  /** How the operations end that begin from now on; `{}`: well. */
  failOperations(failure: OperationFailure): void
  /** Where Google may do this or that: how it behaves from now on. */
  behave(change: Partial<Behavior>): void
  /** Ends the lag of searches behind deletions. */
  settleSearches(): void
  close(): Promise<void>
}

const storeName = /^projects\/[\w:.-]+\/locations\/[\w-]+\/datasets\/[\w-]+\/dicomStores\/[\w.-]*[\w-]$/
const project = 'demo'
const accountEmail = (name: string) => `${name}@${project}.iam.gserviceaccount.com`

/** Starts a stand-in for Google: its token endpoints and DICOM stores at one address. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const { host = '127.0.0.1', port = 0, tls } = options
  const listener = await listen({ host, port, ...(tls ? { tls } : {}) })
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'google-emulator-')))
  const metadataHost = `${host.includes(':') ? `[${host}]` : host}:${listener.port}`
  const url = `${listener.scheme}://${metadataHost}`

  const identities = new Identities()
  const tokens = new AccessTokens(options.tokenLifetime ?? 3599)
  const metadataEmail = accountEmail('compute')
  const [account, impersonated, workload] = await Promise.all([
    identities.addServiceAccount(accountEmail('proxy')),
    identities.addServiceAccount(accountEmail('impersonated')),
    newWorkloadIdentity(`${url}/issuer`),
  ])
  const user = newAuthorizedUser('user@example.com')
  const workforce = newWorkforceUser()
  const stores = new Map<string, DicomStore>()
  const addStore = (name: string) => {
    // A store's folder is named by it: no dots that lead elsewhere.
    if (!storeName.test(name)) throw new RangeError(`Not the name of a DICOM store: ${name}`)
    stores.set(name, new DicomStore(name, join(folder, ...name.split('/'))))
  }
  for (const name of options.stores ?? [demoStore]) addStore(name)
  const operations = new Operations()
  const metadata = new MetadataServer(tokens, metadataEmail, project)

  const clock = new Clock()
  const behavior = { ...defaultBehavior }
  const world: World = {
    url,
    identities,
    tokens,
    user,
    workload,
    workforce,
    metadata,
    stores,
    operations,
    clock,
    behavior,
  }
  const state: State = { world, faults: new Faults(), log: new RequestLog(), tokenRequests: newTokenCounts() }
  const running = new Set<Promise<void>>()
  listener.serve((request, response, socket) => {
    const handled = handle(state, listener.scheme, request, response, socket).finally(() => running.delete(handled))
    running.add(handled)
  })

  return {
    url,
    baseUrl: `${url}/v1/`,
    tokenUrl: `${url}/token`,
    stsUrl: `${url}/v1/token`,
    iamCredentialsUrl: `${url}/`,
    metadataHost,
    metadataEmail,
    faults: state.faults,
    log: state.log.entries,
    clearLog: () => state.log.clear(),
    tokenRequests: state.tokenRequests,
    addStore,
    store: async (bytes) => {
      const [first] = stores.values()
      if (!first) throw new RangeError('There is no store')
      await first.open()
      return first.store(await receiveFile(bytes, first.folder), { duplicates: behavior.duplicates })
    },
    dicomWebUrl: (store = [...stores.keys()][0] ?? demoStore) => `${url}/v1/${store}/dicomWeb`,
    writeCredentials: (into) =>
      writeCredentialFiles(into, { url, project, account, impersonated, user, workload, workforce }),
    addServiceAccount: async (email) => serviceAccountKey(await identities.addServiceAccount(email), { url, project }),
    grant: (identity, store, role) => identities.grant(identity, store, role),
    denyImpersonation: (identity, email) => identities.denyImpersonation(identity, email),
    setTokenLifetime: (seconds) => {
      tokens.lifetime = seconds
    },
    setClockSkew: (seconds) => {
      clock.skew = seconds * 1000
    },
    revokeTokens: () => tokens.revoke(),
    expireTokens: () => tokens.expire(),
    setOperationDuration: (milliseconds) => {
      operations.duration = milliseconds
    },
    finishOperations: () => operations.finish(),
    failOperations: (failure) => {
      operations.failWith = failure
    },
    settleSearches: () => {
      for (const store of stores.values()) store.settleSearches()
    },
    behave: (change) => {
      Object.assign(world.behavior, change)
    },
    close: async () => {
      operations.close()
      await listener.close()
      // Uploads that were cut off remove their files first.
      await Promise.all(running)
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}
