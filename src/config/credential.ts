import { join, resolve, sep } from 'node:path'
import { jsonPath } from './problem.ts'
import type { Section } from './section.ts'
import type { CredentialSettings, CredentialSource } from './settings.ts'
import type { Environment } from './variables.ts'

/** Where files are looked up, and what the environment says. */
export interface Surroundings {
  readonly environment: Environment
  readonly workingDirectory: string
  readonly homeDirectory: string
}

const inlineKeys = ['AuthorizedUserClientId', 'AuthorizedUserClientSecret', 'AuthorizedUserRefreshToken'] as const
const pluginKeys = ['ServiceAccountFile', 'AuthorizedUserFile', ...inlineKeys] as const

/** An account's credential. The file is not read here: that it is missing concerns one account, at run time. */
export function readCredential(account: Section, around: Surroundings, notices: string[]): CredentialSettings | null {
  const source = sourceOf(account, around, notices)
  return source && { source, impersonate: account.text('ImpersonateServiceAccount') ?? null }
}

function sourceOf(account: Section, around: Surroundings, notices: string[]): CredentialSource | null {
  const given = givenKeys(account)
  if (given.some((key) => !isPluginKey(key))) {
    if (given.length === 1) return newSource(account, around)
    account.problem(null, `has more than one credential (${given.join(', ')}); keep one of them`)
    return null
  }
  return pluginSource(account, around, notices)
}

function givenKeys(account: Section): readonly string[] {
  const fresh = account.flag('ApplicationDefault') ? ['ApplicationDefault'] : []
  return [...fresh, ...['ExternalAccountFile', ...pluginKeys].filter((key) => account.has(key))]
}

function isPluginKey(key: string): boolean {
  return pluginKeys.some((known) => known === key)
}

function newSource(account: Section, around: Surroundings): CredentialSource | null {
  if (account.flag('ApplicationDefault')) return applicationDefault(around)
  const file = account.text('ExternalAccountFile')
  return file ? { kind: 'external-account-file', file: resolve(around.workingDirectory, file) } : null
}

/** The plugin's order (GoogleAccount.cpp): the service account's file, the authorized user's file, the three texts. */
function pluginSource(account: Section, around: Surroundings, notices: string[]): CredentialSource | null {
  const given = pluginKeys.filter((key) => account.has(key))
  const used = account.has('ServiceAccountFile')
    ? 'ServiceAccountFile'
    : account.has('AuthorizedUserFile')
      ? 'AuthorizedUserFile'
      : null
  if (used === null) return inlineSource(account)
  if (given.length > 1) notices.push(precedenceText(account, used, given))
  const file = account.text(used)
  if (!file) return null
  const kind = used === 'ServiceAccountFile' ? 'service-account-file' : 'authorized-user-file'
  return { kind, file: resolve(around.workingDirectory, file) }
}

function precedenceText(account: Section, used: string, given: readonly string[]): string {
  const others = given.filter((key) => key !== used)
  return `${jsonPath(account.path)}: ${used} is used, as in the Orthanc GCP plugin; ${others.join(', ')} ${others.length > 1 ? 'have' : 'has'} no effect.`
}

function inlineSource(account: Section): CredentialSource | null {
  const missing = inlineKeys.filter((key) => !account.has(key))
  if (missing.length === inlineKeys.length) {
    account.problem(
      null,
      'has no credential; add ServiceAccountFile, AuthorizedUserFile, ExternalAccountFile, the three texts AuthorizedUserClientId, AuthorizedUserClientSecret and AuthorizedUserRefreshToken, or "ApplicationDefault": true',
    )
    return null
  }
  for (const key of missing) account.problem(key, `is missing; set ${inlineKeys.join(', ')} together`)
  const [clientId, clientSecret, refreshToken] = inlineKeys.map((key) => account.text(key))
  if (!clientId || !clientSecret || !refreshToken) return null
  return { kind: 'authorized-user', clientId, clientSecret, refreshToken }
}

/** Google's order of search (google.aip.dev/auth/4110) as far as it is files; the metadata server comes last, at run time. */
export function applicationDefault({ environment, workingDirectory, homeDirectory }: Surroundings): CredentialSource {
  const named = environment.GOOGLE_APPLICATION_CREDENTIALS
  const windowsFolder = sep === '\\' && environment.APPDATA ? join(environment.APPDATA, 'gcloud') : undefined
  const gcloud = environment.CLOUDSDK_CONFIG || windowsFolder || join(homeDirectory, '.config', 'gcloud')
  return {
    kind: 'application-default',
    file: named ? resolve(workingDirectory, named) : null,
    wellKnownFile: resolve(workingDirectory, gcloud, 'application_default_credentials.json'),
    metadataHost: environment.GCE_METADATA_HOST || null,
  }
}
