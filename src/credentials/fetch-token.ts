import { createHash } from 'node:crypto'
import type { CredentialSettings, CredentialSource, NamedCredentialFile } from '../config/settings.ts'
import type { Diagnosis } from '../errors.ts'
import { type AccessToken, type FetchToken, TokenFailure } from './access-token.ts'
import {
  applicationDefaultFile,
  type CredentialFile,
  credentialTypes,
  isHeaderValue,
  namedCredentialFile,
  readCredentialFile,
} from './credential-file.ts'
import { fetchExternalAccountToken } from './external-account.ts'
import { fetchAuthorizedUserToken, fetchServiceAccountToken, fetchWorkforceUserToken } from './google-clients.ts'
import { iamCredentialsUrlFor, impersonate } from './impersonation.ts'
import { fetchMetadataToken, metadataServerTurnedOff } from './metadata-server.ts'
import { type CredentialFacts, diagnoseTokenRequest } from './token-failure.ts'
import { type IssuerAccess, IssuerTransport } from './transport.ts'

/**
 * All that a DICOM store needs
 * (https://cloud.google.com/healthcare-api/docs/how-tos/controlling-access).
 */
const healthcareScope = 'https://www.googleapis.com/auth/cloud-healthcare'
/** To ask for another account's token, the source's own token needs this scope. */
const platformScope = 'https://www.googleapis.com/auth/cloud-platform'

/** Accounts whose credentials have the same key share a token. No secret can be read off it. */
export function credentialKey(credential: CredentialSettings): string {
  return createHash('sha256').update(JSON.stringify(credential)).digest('base64url')
}

/**
 * The one way to a token of a credential. Each call reads the credential's file again and asks the
 * issuer once, within the configured time; it rejects with a TokenFailure.
 */
export function createFetchToken(credential: CredentialSettings, access: IssuerAccess): FetchToken {
  const { source, impersonate: principal } = credential
  return async () => {
    const issuer = { access, transport: new IssuerTransport(access) }
    try {
      if (!principal) return await fetchSourceToken(source, issuer, healthcareScope)
      const token = await fetchSourceToken(source, issuer, platformScope)
      const url = iamCredentialsUrlFor(principal, access.iamCredentialsUrl)
      const impersonated = await impersonate(token, { url, delegates: [], scope: healthcareScope }, issuer.transport)
      return billedAsConfigured(impersonated, source)
    } catch (error) {
      if (error instanceof TokenFailure) throw error
      throw new TokenFailure(diagnoseTokenRequest(error, factsOf(credential)), { cause: error })
    }
  }
}

interface Issuer {
  readonly access: IssuerAccess
  readonly transport: IssuerTransport
}

/** What a credential file of a kind may be. */
const fileTypes = {
  'service-account-file': ['service_account'],
  'authorized-user-file': ['authorized_user'],
  'external-account-file': ['external_account', 'external_account_authorized_user'],
  'application-default': credentialTypes,
} as const

/** The configuration key, or environment variable, that names the file. */
const namedBy = {
  'service-account-file': 'ServiceAccountFile',
  'authorized-user-file': 'AuthorizedUserFile',
  'external-account-file': 'ExternalAccountFile',
  'application-default': 'GOOGLE_APPLICATION_CREDENTIALS',
} as const

type FileKind = keyof typeof fileTypes

/** What the configuration expects of the file that a credential names. */
export function expectedFile(
  { kind, otherFile }: { readonly kind: FileKind; readonly otherFile?: string },
  { allowedHosts, timeout }: Pick<IssuerAccess, 'allowedHosts' | 'timeout'>,
) {
  const options = { types: fileTypes[kind], option: namedBy[kind], allowedHosts, timeout }
  return { ...options, ...(otherFile !== undefined && { otherFile }) }
}

/** What the configuration alone says of a credential. */
function factsOf({ source, impersonate: target }: CredentialSettings): CredentialFacts {
  const unknown = { account: null, target, clockIsRight: null }
  if (source.kind === 'authorized-user') return { ...unknown, type: 'authorized_user', file: null }
  // What its file says is known where that is read.
  return { ...unknown, type: null, file: source.file }
}

async function fetchSourceToken(source: CredentialSource, issuer: Issuer, scope: string): Promise<AccessToken> {
  if (source.kind === 'authorized-user') return fetchAuthorizedUserToken(source, issuer.transport)
  if (source.kind !== 'application-default') return fetchTokenOfNamedFile(source, issuer, scope)
  return billedAsConfigured(await fetchApplicationDefaultToken(source, issuer, scope), source)
}

async function fetchTokenOfNamedFile(source: NamedCredentialFile, issuer: Issuer, scope: string): Promise<AccessToken> {
  return fetchTokenOfFile(await namedCredentialFile(source, issuer.access.timeout), source, issuer, scope)
}

type ApplicationDefault = Extract<CredentialSource, { kind: 'application-default' }>

async function fetchApplicationDefaultToken(source: ApplicationDefault, issuer: Issuer, scope: string) {
  const path = await applicationDefaultFile(source, issuer.access.timeout)
  if (path !== null) return fetchTokenOfFile(path, { kind: source.kind }, issuer, scope)
  if (source.withoutMetadataServer) throw new TokenFailure(metadataServerTurnedOff)
  return fetchMetadataToken(source.metadataHost, issuer.access, scope)
}

/** `GOOGLE_CLOUD_QUOTA_PROJECT` goes before what a file says, as in Google's libraries. */
function billedAsConfigured(token: AccessToken, source: CredentialSource): AccessToken {
  if (source.kind !== 'application-default' || !source.quotaProject) return token
  const { quotaProject } = source
  if (!isHeaderValue(quotaProject)) throw new TokenFailure(unusableQuotaProject)
  return { ...token, quotaProject }
}

const unusableQuotaProject: Diagnosis = {
  code: 'quota-project',
  problem: 'GOOGLE_CLOUD_QUOTA_PROJECT is not the name of a project.',
  remedy: 'Correct that environment variable, or remove it.',
}

/** What the file itself says of the credential is needed to tell why it was refused. */
async function fetchTokenOfFile(
  path: string,
  source: Parameters<typeof expectedFile>[0],
  issuer: Issuer,
  scope: string,
): Promise<AccessToken> {
  const file = await readCredentialFile(path, expectedFile(source, issuer.access))
  try {
    return await fetchFileToken(file, issuer, scope)
  } catch (error) {
    if (error instanceof TokenFailure) throw error
    const { type } = file.type === 'impersonated_service_account' ? file.source : file
    const facts = { type, file: path, account: null, target: null, clockIsRight: null }
    throw new TokenFailure(diagnoseTokenRequest(error, facts), { cause: error })
  }
}

async function fetchFileToken(file: CredentialFile, issuer: Issuer, scope: string): Promise<AccessToken> {
  const token = await fetchTypedToken(file, issuer, scope)
  return file.quotaProject ? { ...token, quotaProject: file.quotaProject } : token
}

async function fetchTypedToken(file: CredentialFile, issuer: Issuer, scope: string): Promise<AccessToken> {
  const { access, transport } = issuer
  switch (file.type) {
    case 'service_account':
      return fetchServiceAccountToken(file, scope, transport)
    case 'authorized_user':
      return fetchAuthorizedUserToken(file, transport)
    case 'external_account':
      return fetchExternalAccountToken(file.json, scope, { transport, timeout: access.timeout })
    case 'external_account_authorized_user':
      return fetchWorkforceUserToken(file, transport)
    case 'impersonated_service_account': {
      const token = await fetchFileToken(file.source, issuer, platformScope)
      return impersonate(token, { url: file.impersonationUrl, delegates: file.delegates, scope }, transport)
    }
  }
}
