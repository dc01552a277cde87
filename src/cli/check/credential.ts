import { existsSync, statSync } from 'node:fs'
import type { AccountSettings, CredentialSettings, CredentialSource, Settings } from '../../config/settings.ts'
import { type AccessToken, TokenFailure } from '../../credentials/access-token.ts'
import { type CredentialFile, credentialTypes, readCredentialFile } from '../../credentials/credential-file.ts'
import { FileFlaw } from '../../credentials/credential-json.ts'
import { createFetchToken, fileTypes } from '../../credentials/fetch-token.ts'
import { issuerRefusalOf } from '../../credentials/token-failure.ts'
import type { Connections } from '../../forward/connections.ts'
import { setClock } from './network.ts'
import { Skipped, Trouble } from './trouble.ts'

/** What is known of a credential without asking anyone. */
export interface KnownCredential {
  /** E-mail address of the service account that Google sees; null if it can't be told. */
  readonly email: string | null
  /** Absolute path; null if the credential is no file. */
  readonly file: string | null
  readonly type: CredentialFile['type'] | 'metadata'
}

const words = {
  service_account: 'service account',
  authorized_user: 'authorized user',
  external_account: 'workload identity federation',
  impersonated_service_account: 'impersonated service account',
} as const

/** The option that names a credential, for messages. */
const options: Readonly<Record<CredentialSource['kind'], string>> = {
  'service-account-file': 'ServiceAccountFile',
  'authorized-user-file': 'AuthorizedUserFile',
  'authorized-user': 'AuthorizedUserClientId, AuthorizedUserClientSecret and AuthorizedUserRefreshToken',
  'external-account-file': 'ExternalAccountFile',
  'application-default': 'GOOGLE_APPLICATION_CREDENTIALS',
}

/** Reads the credential's file, if it has one, as the proxy will. */
export async function inspectCredential(
  { source, impersonate }: CredentialSettings,
  allowedHosts: readonly string[],
): Promise<{ known: KnownCredential; detail: string }> {
  const acting = impersonate ? `, acting as ${impersonate}` : ''
  if (source.kind === 'authorized-user') {
    return { known: { email: impersonate, file: null, type: 'authorized_user' }, detail: `authorized user${acting}` }
  }
  const file = fileOf(source)
  if (file === null) {
    const detail = `Application Default: no file, so the metadata server of this machine is asked${acting}`
    return { known: { email: impersonate, file, type: 'metadata' }, detail }
  }
  const types = source.kind === 'application-default' ? credentialTypes : fileTypes[source.kind]
  const content = await readFile(file, { types, allowedHosts }, options[source.kind])
  const own = content.type === 'service_account' ? content.email : null
  const detail = `${words[content.type]}${own ? ` ${own}` : ''}${acting}${exposed(file)}`
  return { known: { email: impersonate ?? own, file, type: content.type }, detail }
}

function fileOf(source: Exclude<CredentialSource, { kind: 'authorized-user' }>): string | null {
  if (source.kind !== 'application-default') return source.file
  const { file, wellKnownFile } = source
  return file ?? (wellKnownFile && existsSync(wellKnownFile) ? wellKnownFile : null)
}

/** On systems that tell whom a file is for. */
function exposed(file: string): string {
  const { mode } = statSync(file)
  return mode & 0o007 ? `; everyone on this machine can read it: chmod 600 ${file}` : ''
}

async function readFile(file: string, expected: Parameters<typeof readCredentialFile>[1], option: string) {
  try {
    return await readCredentialFile(file, expected)
  } catch (error) {
    const { cause } = error as { cause?: unknown }
    if (cause instanceof FileFlaw) {
      const [flaw = '', remedy = newKey] = cause.message.split(/: (.*)/s)
      throw new Trouble('file-flawed', `Credential file ${file} ${flaw}.`, sentence(remedy), { cause })
    }
    const why = error instanceof TokenFailure ? error.message : `Credential file ${file} can't be read.`
    const code = (cause as NodeJS.ErrnoException | undefined)?.code
    if (code === 'ENOENT')
      throw new Trouble('file-missing', why, `Put the file there, or correct ${option}. ${newKey}`, { cause })
    const remedy =
      code === 'EACCES'
        ? `Run check as the user that the proxy runs as, and let that user read it: chown USER ${file}`
        : `Correct ${option}: it names the file itself.`
    throw new Trouble('file-unreadable', why, remedy, { cause })
  }
}

const newKey = 'A new key: gcloud iam service-accounts keys create FILE --iam-account=EMAIL'

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!]$/.test(text) ? '' : '.'}`
}

export interface TokenContext {
  readonly settings: Settings
  readonly connections: Connections
  readonly known: KnownCredential | null
  /** False if this machine's clock is known to be wrong. */
  readonly clockIsRight: boolean
}

/** Fetches a token as the proxy does; rejects with a Trouble. */
export async function fetchTokenFor(
  { credential }: AccountSettings,
  { settings, connections, known, clockIsRight }: TokenContext,
): Promise<AccessToken> {
  const { fetch, fetchDirect } = connections
  try {
    return await createFetchToken(credential, { ...settings.tokens, fetch, fetchDirect })()
  } catch (error) {
    if (error instanceof TokenFailure) throw tokenTrouble(error, known, clockIsRight)
    throw error
  }
}

/** How long a token lives still, in words. */
export function lifeOf({ expiresAt }: AccessToken): string {
  const seconds = Math.round((expiresAt - Date.now()) / 1000)
  if (seconds <= 0) {
    throw new Trouble(
      'token-expired',
      'The issuer gave a token that has expired already.',
      `Check the clock of this machine: ${setClock}`,
    )
  }
  return seconds < 120 ? `valid for ${seconds} s` : `valid for ${Math.round(seconds / 60)} min`
}

function tokenTrouble(failure: TokenFailure, known: KnownCredential | null, clockIsRight: boolean): Trouble {
  const refusal = issuerRefusalOf(failure.cause)
  if (!refusal) return unreached(failure, known)
  const { status, code = '', words: said = '' } = refusal
  const trouble = (name: string, why: string, remedy: string) =>
    new Trouble(name, `${refusal.said} ${why}`.trim(), remedy, { cause: failure })
  const account = known?.email ?? 'the service account'
  const file = known?.file ?? 'the credential'
  if (code === 'invalid_grant' && (!clockIsRight || /\b(iat|exp)\b|timeframe/i.test(said))) {
    return trouble(
      'token-clock',
      'The signed request is not of this time: the clock of this machine is wrong.',
      `Set it: ${setClock}`,
    )
  }
  if (code === 'invalid_grant' && /account not found/i.test(said)) {
    return trouble(
      'account-gone',
      `Google knows no ${account}: it was deleted, or is disabled.`,
      `Look for it: gcloud iam service-accounts describe ${account}. Then take the key of one that exists.`,
    )
  }
  if (code === 'invalid_grant' && known?.type === 'service_account') {
    return trouble(
      'key-revoked',
      `The key in ${file} is none of ${account}: it was deleted at Google, or does not belong to that account.`,
      `List its keys: gcloud iam service-accounts keys list --iam-account=${account}. A new one: gcloud iam service-accounts keys create ${file} --iam-account=${account}`,
    )
  }
  if (code === 'invalid_grant') {
    return trouble(
      'login-revoked',
      'The refresh token is revoked or has expired.',
      'Sign in again: gcloud auth application-default login (or make the authorized-user file anew).',
    )
  }
  if (code === 'invalid_client') {
    return trouble(
      'client-wrong',
      'Client id or client secret are wrong.',
      'Correct AuthorizedUserClientId and AuthorizedUserClientSecret, or the file; sign in again: gcloud auth application-default login',
    )
  }
  if (code === 'PERMISSION_DENIED') {
    return trouble(
      'impersonation-denied',
      `The identity may not act as ${account}.`,
      `gcloud iam service-accounts add-iam-policy-binding ${account} --member=serviceAccount:SOURCE --role=roles/iam.serviceAccountTokenCreator, and gcloud services enable iamcredentials.googleapis.com`,
    )
  }
  if (status === 429)
    return trouble(
      'token-quota',
      'Too many tokens are asked for.',
      'Wait a minute; find out what else uses this credential.',
    )
  if (status >= 500) {
    return trouble(
      'issuer-down',
      'The issuer of tokens is in trouble.',
      'Wait, and look at https://status.cloud.google.com; the proxy goes on with the token that it has, and keeps trying.',
    )
  }
  return trouble('token-refused', '', refusal.remedy)
}

/** The sentence of a failure that is no refusal: what happened, then what to do. */
function unreached(failure: TokenFailure, known: KnownCredential | null): Trouble {
  if (known?.type === 'metadata') {
    const remedy =
      'gcloud auth application-default login, or name a key file in ServiceAccountFile or GOOGLE_APPLICATION_CREDENTIALS; on a Google Cloud machine, attach a service account to it.'
    return new Trouble('no-credential', `${failure.message.split(/(?<=machine\.) /)[0]}`, remedy, { cause: failure })
  }
  if (/not an access token/.test(failure.message)) {
    const remedy =
      'Correct TokenUrl where it is set (Google: https://oauth2.googleapis.com/token); ask who runs the network whether a login page is on the way.'
    return new Trouble('issuer-wrong', failure.message.replace(/: is it.*/, '.'), remedy, { cause: failure })
  }
  const [why = '', remedy = ''] = failure.message.split(/(?<=\.) (.*)/s)
  const [short, hint = ''] = why.split(/: (?=check|set|use)(.*)/s)
  const otherwise = 'Look at the lines above; the proxy keeps trying.'
  return new Trouble('token-unreached', short === why ? why : `${short}.`, sentence(remedy || hint || otherwise), {
    cause: failure,
  })
}

/** The token endpoints that the accounts' credentials ask; those that only a credential's file names are left out. */
export function issuersOf({ accounts, tokens }: Settings): URL[] {
  const asks = new Set(['service-account-file', 'authorized-user-file', 'authorized-user'])
  const urls = accounts.flatMap(({ credential: { source, impersonate } }) => [
    ...(asks.has(source.kind) ? [tokens.tokenUrl ?? 'https://oauth2.googleapis.com/token'] : []),
    ...(impersonate === null ? [] : [tokens.iamCredentialsUrl ?? 'https://iamcredentials.googleapis.com/']),
  ])
  return [...new Set(urls.map((url) => new URL(url).origin))].map((origin) => new URL(origin))
}

/** Skips what needs a token. */
export function withToken(token: AccessToken | null): AccessToken {
  if (token) return token
  throw new Skipped('needs an access token')
}
