import type { CredentialSettings } from '../config/settings.ts'
import {
  applicationDefaultFile,
  type CredentialFile,
  credentialTypes,
  namedCredentialFile,
  readCredentialFile,
} from './credential-file.ts'
import { expectedFile } from './fetch-token.ts'

/** What people may know of a credential: nothing of it is a secret. */
export interface CredentialDescription {
  readonly kind: string
  /**
   * Who the proxy is at Google, as far as the credential says; null where it does not, or can't be
   * read.
   */
  readonly identity: string | null
  /** Absolute path of the file, if it is one. */
  readonly file: string | null
}

const kinds = {
  'service-account-file': 'Service account key',
  'authorized-user-file': 'User login',
  'authorized-user': 'User login',
  'external-account-file': 'Workload identity federation',
  'application-default': 'Application Default Credentials',
} as const

/** How long (ms) what a file said holds: it may be replaced at any time. */
const cacheMs = 10_000
const readTimeoutMs = 10_000

/** Describes a credential, and reads its file again now and then while somebody asks. */
export class DescribedCredential {
  readonly #credential: CredentialSettings
  readonly #allowedHosts: readonly string[]
  #known: CredentialDescription
  #readAt = Number.NEGATIVE_INFINITY

  /** @param allowedHosts hosts that credential files may name besides Google's */
  constructor(credential: CredentialSettings, allowedHosts: readonly string[]) {
    this.#credential = credential
    this.#allowedHosts = allowedHosts
    this.#known = { kind: kindOf(credential), identity: credential.impersonate, file: namedFileOf(credential) }
    this.#update()
  }

  /** What is known now. */
  get description(): CredentialDescription {
    if (performance.now() - this.#readAt > cacheMs) this.#update()
    return this.#known
  }

  #update(): void {
    this.#readAt = performance.now()
    // That it can't be read is told where its token is asked for.
    void fileOf(this.#credential).then((file) =>
      this.#identityIn(file).then(
        (identity) => this.#know(file, identity),
        () => this.#know(file, null),
      ),
    )
  }

  #know(file: string | null, identity: string | null): void {
    this.#known = { ...this.#known, identity: this.#credential.impersonate ?? identity, file }
  }

  async #identityIn(file: string | null): Promise<string | null> {
    const { source } = this.#credential
    if (source.kind === 'authorized-user') return clientOf(source)
    if (file === null) return 'service account of this machine'
    const expected = {
      ...expectedFile(source, { allowedHosts: this.#allowedHosts, timeout: readTimeoutMs }),
      types: credentialTypes,
    }
    return identityInFile(await readCredentialFile(file, expected))
  }
}

function kindOf({ source, impersonate }: CredentialSettings): string {
  return impersonate === null ? kinds[source.kind] : `Impersonation, by ${lowerFirst(kinds[source.kind])}`
}

function lowerFirst(text: string): string {
  return text.startsWith('Application') ? text : text.charAt(0).toLowerCase() + text.slice(1)
}

/** The file that the configuration or the environment names. */
function namedFileOf({ source }: CredentialSettings): string | null {
  return source.kind === 'authorized-user' ? null : source.file
}

async function fileOf({ source }: CredentialSettings): Promise<string | null> {
  if (source.kind === 'authorized-user') return null
  return source.kind === 'application-default'
    ? applicationDefaultFile(source, readTimeoutMs)
    : namedCredentialFile(source, readTimeoutMs)
}

function identityInFile(file: CredentialFile): string | null {
  switch (file.type) {
    case 'service_account':
      return file.email
    case 'authorized_user':
      return clientOf(file)
    case 'external_account':
      return principalOf(file.json.service_account_impersonation_url) ?? text(file.json.audience)
    case 'external_account_authorized_user':
      return `a user of workforce pool ${/workforcePools\/([^/]+)/.exec(file.audience)?.[1] ?? '(unknown)'}`
    case 'impersonated_service_account':
      return principalOf(file.impersonationUrl)
  }
}

/** Whose login it is, no credential says; its client is named in Google's console. */
function clientOf({ clientId }: { readonly clientId: string }): string {
  return `a user of OAuth client ${clientId}`
}

function principalOf(url: unknown): string | null {
  const encoded = typeof url === 'string' ? /\/serviceAccounts\/([^/:]+):/.exec(url)?.[1] : undefined
  return encoded === undefined ? null : decodeURIComponent(encoded)
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
