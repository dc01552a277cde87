import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { CredentialSource, OutgoingSettings } from '../../src/config/settings.ts'
import { type AccessToken, TokenFailure } from '../../src/credentials/access-token.ts'
import { createFetchToken } from '../../src/credentials/fetch-token.ts'
import type { IssuerAccess } from '../../src/credentials/transport.ts'
import {
  type CredentialFiles,
  type Emulator,
  type EmulatorOptions,
  startEmulator,
} from '../../src/emulator/emulator.ts'
import { openConnections } from '../../src/forward/connections.ts'

export interface Issuer {
  readonly emulator: Emulator
  readonly files: CredentialFiles
  /** Writes a file into the test's folder; returns its path. */
  write(name: string, content: string | object): Promise<string>
  /** Asks the emulator for a token, over connections of our own. */
  fetchToken(source: CredentialSource, options?: FetchOptions): Promise<AccessToken>
  /** The message of the failure that must come instead of a token. */
  failure(source: CredentialSource, options?: FetchOptions): Promise<string>
  /** Who the DICOM store takes the bearer of a token for. */
  identityOf(token: AccessToken): Promise<string>
}

export interface FetchOptions {
  /** E-mail address of a service account. */
  readonly impersonate?: string
  readonly access?: Partial<IssuerAccess>
}

interface IssuerOptions {
  readonly emulator?: EmulatorOptions
  readonly outgoing?: Partial<OutgoingSettings>
}

/** Outgoing connections without a proxy. */
export const outgoingDirect: OutgoingSettings = {
  verifyPeers: true,
  certificateAuthorities: null,
  httpsProxy: null,
  httpProxy: null,
  noProxy: '',
  timeouts: { connect: 10_000, response: 10_000, searchResponse: 10_000, idle: 10_000, minBodyRate: 1 },
}

/**
 * An emulator as the issuer of tokens, with one DICOM store for each of its identities and nobody
 * else.
 */
export async function startIssuer(t: Test, { emulator: options, outgoing }: IssuerOptions = {}): Promise<Issuer> {
  const emulator = await startEmulator(options)
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const files = await emulator.writeCredentials(folder)
  const stores = storesByIdentity(emulator, files)
  const connections = openConnections({ ...outgoingDirect, ...outgoing })
  t.teardown(() => connections.close())
  const access = accessTo(emulator, connections)
  const fetchToken = (source: CredentialSource, { impersonate, access: other }: FetchOptions = {}) =>
    createFetchToken({ source, impersonate: impersonate ?? null }, { ...access, ...other })()
  return {
    emulator,
    files,
    async write(name, content) {
      const file = join(folder, name)
      await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
      return file
    },
    fetchToken,
    failure: (source, options) => messageOf(fetchToken(source, options)),
    async identityOf(token) {
      const { fetch } = connections
      const headers = { authorization: `Bearer ${token.value}` }
      const asked = [...stores].map(async ([identity, store]) => {
        const { status } = await fetch(`${emulator.dicomWebUrl(store)}/studies`, { headers })
        // 204: its search finds nothing.
        return status === 204 ? [identity] : []
      })
      return (await Promise.all(asked)).flat().join(' and ') || 'nobody'
    },
  }
}

/** What `access` is for tokens of the emulator. */
export function accessTo(
  emulator: Emulator,
  { fetch, fetchDirect }: Pick<IssuerAccess, 'fetch' | 'fetchDirect'>,
): IssuerAccess {
  const { tokenUrl, iamCredentialsUrl, metadataHost } = emulator
  return { fetch, fetchDirect, timeout: 10_000, tokenUrl, iamCredentialsUrl, allowedHosts: [metadataHost] }
}

function storesByIdentity(emulator: Emulator, files: CredentialFiles): ReadonlyMap<string, string> {
  const identities = [
    files.serviceAccountEmail,
    files.authorizedUser.email,
    files.impersonatedEmail,
    files.workload.principal,
    files.workforcePrincipal,
    emulator.metadataEmail,
  ]
  const stores = new Map<string, string>()
  for (const [at, owner] of identities.entries()) {
    const store = `projects/demo/locations/europe-west4/datasets/imaging/dicomStores/of-${at}`
    emulator.addStore(store)
    for (const other of identities) if (other !== owner) emulator.grant(other, store, 'none')
    stores.set(owner, store)
  }
  return stores
}

async function messageOf(fetching: Promise<AccessToken>): Promise<string> {
  const error = await fetching.then(
    () => new Error('a token came'),
    (failure: unknown) => failure,
  )
  if (error instanceof TokenFailure) return error.message
  throw error
}

/** Every kind of source there is, all of them good. */
export function everySource(
  emulator: Emulator,
  files: CredentialFiles,
): Readonly<Record<string, readonly [source: CredentialSource, identity: string]>> {
  const applicationDefault = (file: string | null): CredentialSource => ({
    kind: 'application-default',
    file,
    wellKnownFile: null,
    metadataHost: null,
  })
  const { clientId, clientSecret, refreshToken, email: user } = files.authorizedUser
  const { serviceAccountEmail: account, impersonatedEmail: impersonated } = files
  const { principal } = files.workload
  return {
    'service-account file': [{ kind: 'service-account-file', file: files.serviceAccountFile }, account],
    'authorized-user file': [{ kind: 'authorized-user-file', file: files.authorizedUserFile }, user],
    'authorized user inline': [{ kind: 'authorized-user', clientId, clientSecret, refreshToken }, user],
    'external account, token in a file': [
      { kind: 'external-account-file', file: files.externalAccountFile },
      principal,
    ],
    'external account, token at a URL': [
      { kind: 'external-account-file', file: files.externalAccountUrlFile },
      principal,
    ],
    'external account that impersonates': [
      { kind: 'external-account-file', file: files.externalAccountImpersonationFile },
      impersonated,
    ],
    'user of a workforce pool': [
      { kind: 'external-account-file', file: files.workforceUserFile },
      files.workforcePrincipal,
    ],
    'Application Default: user of a workforce pool': [
      applicationDefault(files.workforceUserFile),
      files.workforcePrincipal,
    ],
    'Application Default: service account': [applicationDefault(files.serviceAccountFile), account],
    'Application Default: authorized user': [applicationDefault(files.authorizedUserFile), user],
    'Application Default: external account': [applicationDefault(files.externalAccountFile), principal],
    'Application Default: impersonated service account': [
      applicationDefault(files.impersonatedServiceAccountFile),
      impersonated,
    ],
    'Application Default: gcloud’s own file': [
      { kind: 'application-default', file: null, wellKnownFile: files.authorizedUserFile, metadataHost: null },
      user,
    ],
    'Application Default: metadata server': [
      {
        kind: 'application-default',
        file: null,
        wellKnownFile: '/nonexistent/application_default_credentials.json',
        metadataHost: emulator.metadataHost,
      },
      emulator.metadataEmail,
    ],
  }
}

/** A credential file's content, to be changed. */
export async function readJson(file: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(file, 'utf8'))
}
