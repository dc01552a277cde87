import { join, resolve, sep } from 'node:path'
import { type FileFolders, pathsOf } from './file-folders.ts'
import { jsonPath } from './problem.ts'
import type { Section } from './section.ts'
import type { CredentialSettings, CredentialSource } from './settings.ts'
import type { Environment } from './variables.ts'

/** What the configuration is read with besides its files. */
export interface LoadContext extends FileFolders {
  readonly environment: Environment
  readonly homeDirectory: string
}

const inlineKeys = ['AuthorizedUserClientId', 'AuthorizedUserClientSecret', 'AuthorizedUserRefreshToken'] as const
const pluginKeys = ['ServiceAccountFile', 'AuthorizedUserFile', ...inlineKeys] as const

/**
 * Reads an account's credential, but not its file: a missing file affects only this account, at run
 * time.
 */
export function readCredential(account: Section, context: LoadContext, notices: string[]): CredentialSettings | null {
  const source = readSource(account, context, notices)
  return source && { source, impersonate: account.text('ImpersonateServiceAccount') ?? null }
}

function readSource(account: Section, context: LoadContext, notices: string[]): CredentialSource | null {
  const given = givenKeys(account)
  if (given.some((key) => !isPluginKey(key))) {
    if (given.length === 1) return readProxyOnlySource(account, context)
    account.problem(null, `has more than one credential (${given.join(', ')})`, 'keep one of them')
    return null
  }
  return readPluginSource(account, context, notices)
}

function givenKeys(account: Section): readonly string[] {
  const applicationDefault = account.flag('ApplicationDefault') ? ['ApplicationDefault'] : []
  return [...applicationDefault, ...['ExternalAccountFile', ...pluginKeys].filter((key) => account.has(key))]
}

function isPluginKey(key: string): boolean {
  return pluginKeys.some((known) => known === key)
}

function readProxyOnlySource(account: Section, context: LoadContext): CredentialSource | null {
  if (account.flag('ApplicationDefault')) return applicationDefault(context)
  const file = account.text('ExternalAccountFile')
  return file ? { kind: 'external-account-file', ...credentialFile(file, context) } : null
}

/**
 * Uses the plugin's order (GoogleAccount.cpp): service account file, authorized user file, the
 * three texts.
 */
function readPluginSource(account: Section, context: LoadContext, notices: string[]): CredentialSource | null {
  const given = pluginKeys.filter((key) => account.has(key))
  const used = account.has('ServiceAccountFile')
    ? 'ServiceAccountFile'
    : account.has('AuthorizedUserFile')
      ? 'AuthorizedUserFile'
      : null
  if (used === null) return readInlineSource(account)
  if (given.length > 1) notices.push(precedenceNotice(account, used, given))
  const file = account.text(used)
  if (!file) return null
  const kind = used === 'ServiceAccountFile' ? 'service-account-file' : 'authorized-user-file'
  return { kind, ...credentialFile(file, context) }
}

/** Both places are tried for each token: the file may be put there later. */
function credentialFile(name: string, context: LoadContext): { readonly file: string; readonly otherFile?: string } {
  const [file, otherFile] = pathsOf(name, context)
  return { file, ...(otherFile !== undefined && { otherFile }) }
}

function precedenceNotice(account: Section, used: string, given: readonly string[]): string {
  const others = given.filter((key) => key !== used)
  return `${jsonPath(account.path)}: ${used} is used, as in the Orthanc GCP plugin; ${others.join(', ')} ${others.length > 1 ? 'have' : 'has'} no effect.`
}

function readInlineSource(account: Section): CredentialSource | null {
  const missing = inlineKeys.filter((key) => !account.has(key))
  if (missing.length === inlineKeys.length) {
    account.problem(
      null,
      'has no credential',
      'add ServiceAccountFile, AuthorizedUserFile, ExternalAccountFile, the three texts AuthorizedUserClientId, AuthorizedUserClientSecret and AuthorizedUserRefreshToken, or "ApplicationDefault": true',
    )
    return null
  }
  for (const key of missing) account.problem(key, 'is missing', `set ${inlineKeys.join(', ')} together`)
  const [clientId, clientSecret, refreshToken] = inlineKeys.map((key) => account.text(key))
  if (!clientId || !clientSecret || !refreshToken) return null
  return { kind: 'authorized-user', clientId, clientSecret, refreshToken }
}

/**
 * Google's search order (google.aip.dev/auth/4110) for files; the metadata server comes last, at
 * run time.
 */
export function applicationDefault({ environment, workingDirectory, homeDirectory }: LoadContext): CredentialSource {
  const named = environment.GOOGLE_APPLICATION_CREDENTIALS
  const windowsFolder = sep === '\\' && environment.APPDATA ? join(environment.APPDATA, 'gcloud') : undefined
  const gcloud = environment.CLOUDSDK_CONFIG || windowsFolder || join(homeDirectory, '.config', 'gcloud')
  const quotaProject = environment.GOOGLE_CLOUD_QUOTA_PROJECT?.trim()
  return {
    kind: 'application-default',
    file: named ? resolve(workingDirectory, named) : null,
    wellKnownFile: resolve(workingDirectory, gcloud, 'application_default_credentials.json'),
    metadataHost: withoutScheme(environment.GCE_METADATA_HOST || environment.GCE_METADATA_IP) || null,
    ...(environment.METADATA_SERVER_DETECTION?.trim().toLowerCase() === 'none' && { withoutMetadataServer: true }),
    ...(quotaProject && { quotaProject }),
  }
}

/** Google's libraries accept one. */
function withoutScheme(host: string | undefined): string | undefined {
  return host
    ?.trim()
    .replace(/^http:\/\//, '')
    .replace(/\/$/, '')
}
