import { readCredential, type Surroundings } from './credential.ts'
import type { Section } from './section.ts'
import { type AccountSettings, dicomWebServices, type Settings, type TokenSettings } from './settings.ts'
import { googleRoot, googleUrl } from './url.ts'

/** The section GoogleCloudPlatform: the DICOM stores, and how Google's services are reached. */
export function readGoogle(
  google: Section,
  around: Surroundings,
  notices: string[],
): Pick<Settings, 'accounts' | 'baseUrl' | 'tokens'> {
  return {
    accounts: readAccounts(google.section('Accounts'), around, notices),
    baseUrl: googleRoot(google, 'BaseUrl') ?? '',
    tokens: readTokens(google),
  }
}

/** The accounts of an `Accounts` section, in the file's order; those with problems are left out and reported. */
function readAccounts(accounts: Section, around: Surroundings, notices: string[]): readonly AccountSettings[] {
  return accounts.keys.flatMap((name) => readAccount(name, accounts.section(name), around, notices) ?? [])
}

function readAccount(name: string, account: Section, around: Surroundings, notices: string[]): AccountSettings | null {
  const project = account.text('Project')
  const location = account.text('Location')
  const dataset = account.text('Dataset')
  const dicomStore = account.text('DicomStore')
  const credential = readCredential(account, around, notices)
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
  }
}

/** Where and how often access tokens are fetched. */
function readTokens(google: Section): TokenSettings {
  return {
    tokenUrl: googleUrl(google, 'TokenUrl'),
    iamCredentialsUrl: googleRoot(google, 'IamCredentialsUrl'),
    allowedHosts: [...new Set(google.texts('AllowedCredentialHosts').map(canonicalHost))],
    timeout: pluginSeconds(google, 'Timeout'),
    refreshInterval: pluginSeconds(google, 'RefreshInterval'),
  }
}

/** As `URL.host` of an https URL says it: lower case, and without the port 443. */
function canonicalHost(text: string): string {
  return URL.parse(`https://${text}`)?.host ?? text.toLowerCase()
}

/** A Node timer takes at most 2^31 - 1 ms, and fires at once beyond that. */
const longestTimer = 2_147_483

/** Seconds that 0 stands for: for RefreshInterval in the plugin itself, for Timeout in Orthanc's HTTP client. */
const zeroStandsFor = 60

/** Milliseconds. */
function pluginSeconds(google: Section, key: string): number {
  return 1000 * Math.min(google.number(key) || zeroStandsFor, longestTimer)
}
