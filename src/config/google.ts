import { type LoadContext, readCredential } from './credential.ts'
import type { Section } from './section.ts'
import {
  type AccountSettings,
  dicomWebServices,
  type SearchCompletionSettings,
  type Settings,
  type TokenSettings,
} from './settings.ts'
import { googleRoot, googleUrl } from './url.ts'

/** Reads the section GoogleCloudPlatform: the DICOM stores, and how to reach Google's services. */
export function readGoogle(
  google: Section,
  context: LoadContext,
  notices: string[],
): Pick<Settings, 'accounts' | 'baseUrl' | 'tokens'> {
  return {
    accounts: readAccounts(google.section('Accounts'), context, notices),
    baseUrl: googleRoot(google, 'BaseUrl') ?? '',
    tokens: readTokens(google),
  }
}

/** Reads the accounts in the file's order. An account with problems is reported and left out. */
function readAccounts(accounts: Section, context: LoadContext, notices: string[]): readonly AccountSettings[] {
  return accounts.keys.flatMap((name) => readAccount(name, accounts.section(name), context, notices) ?? [])
}

function readAccount(name: string, account: Section, context: LoadContext, notices: string[]): AccountSettings | null {
  const project = account.text('Project')
  const location = account.text('Location')
  const dataset = account.text('Dataset')
  const dicomStore = account.text('DicomStore')
  const credential = readCredential(account, context, notices)
  if (!project || !location || !dataset || !dicomStore || !credential) return null
  const allowed = account.texts('Access')
  return {
    name,
    project,
    location,
    dataset,
    dicomStore,
    credential,
    quotaProject: account.text('QuotaProject') ?? null,
    access: dicomWebServices.filter((service) => allowed.includes(service)),
    rewriteUrls: account.flag('RewriteUrls'),
    privateCache: readPrivateCache(account.enabled('PrivateCache')),
    searchCompletion: readSearchCompletion(account.enabled('SearchCompletion')),
  }
}

function readSearchCompletion(section: Section | null): SearchCompletionSettings | null {
  if (!section) return null
  return {
    maxRows: section.number('MaxRows'),
    timeout: 1000 * section.number('Timeout'),
    maxParallel: section.number('MaxParallel'),
    maxSearches: section.number('MaxSearches'),
  }
}

function readPrivateCache(section: Section | null): AccountSettings['privateCache'] {
  return section && { maxAge: 1000 * section.number('MaxAge') }
}

/** Reads where and how often access tokens are fetched. */
function readTokens(google: Section): TokenSettings {
  return {
    tokenUrl: googleUrl(google, 'TokenUrl'),
    iamCredentialsUrl: googleRoot(google, 'IamCredentialsUrl'),
    allowedHosts: [...new Set(google.texts('AllowedCredentialHosts').map(canonicalHost))],
    timeout: pluginSeconds(google, 'Timeout'),
    refreshInterval: pluginSeconds(google, 'RefreshInterval'),
  }
}

/** The form of `URL.host` for an https URL: lower case, without the port 443. */
function canonicalHost(text: string): string {
  return URL.parse(`https://${text}`)?.host ?? text.toLowerCase()
}

/** A Node timer takes at most 2^31 - 1 ms; with more it fires at once. */
const maxTimerSeconds = 2_147_483

/** What 0 means: to the plugin for RefreshInterval, to Orthanc's HTTP client for Timeout. */
const secondsForZero = 60

/** In milliseconds. */
function pluginSeconds(google: Section, key: string): number {
  return 1000 * Math.min(google.number(key) || secondsForZero, maxTimerSeconds)
}
