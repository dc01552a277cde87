import type { Section } from './section.ts'
import type { TokenSettings } from './settings.ts'
import { googleRoot, googleUrl } from './url.ts'

/** Where and how often access tokens are fetched. */
export function tokensOf(google: Section): TokenSettings {
  return {
    tokenUrl: googleUrl(google, 'TokenUrl'),
    iamCredentialsUrl: googleRoot(google, 'IamCredentialsUrl'),
    allowedHosts: [...new Set((google.texts('AllowedCredentialHosts') ?? []).map(canonicalHost))],
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

/** Milliseconds. 0 means 60 s: for RefreshInterval in the plugin itself, for Timeout in Orthanc's HTTP client. */
function pluginSeconds(google: Section, key: string): number {
  return 1000 * Math.min(google.number(key) || 60, longestTimer)
}
