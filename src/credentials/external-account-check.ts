import { isLoopback } from '../config/loopback.ts'
import { FileFlaw, type Json, object, optionalText, text } from './credential-json.ts'
import { type GoogleEndpoint, iamCredentials, securityTokenService, userTokenService } from './google-endpoints.ts'

/**
 * Members of an external-account file that get its secrets, and who alone may get them at Google.
 */
const urlMembers = { token_url: securityTokenService, service_account_impersonation_url: iamCredentials } as const
/** Those of its `credential_source` that are asked for the subject token. */
const sourceUrlMembers = ['url', 'region_url', 'imdsv2_session_token_url'] as const

/**
 * Refuses an external-account file (workload identity federation) that could make this proxy run a
 * program or send a secret to a host that nobody allowed: such a file is made elsewhere, and the
 * library follows everything that it says
 * (https://cloud.google.com/docs/authentication/external/externally-sourced-credentials).
 */
export function checkExternalAccount(json: Json, allowedHosts: readonly string[]): void {
  text(json, 'audience')
  text(json, 'subject_token_type')
  const source = object(json, 'credential_source')
  if ('executable' in source) {
    throw new FileFlaw('gets its token from an executable, and this proxy runs no programs', otherSource)
  }
  if ('certificate' in source) {
    throw new FileFlaw('gets its token with a client certificate, which is not supported', otherSource)
  }
  checkSource(source)
  for (const [member, endpoint] of Object.entries(urlMembers)) {
    if (member in json) checkedUrl(json, member, allowedHosts, endpoint)
  }
  for (const member of sourceUrlMembers) if (member in source) checkedUrl(source, member, allowedHosts)
}

const otherSource = 'Use a file or a URL as source.'

/** One place where the subject token comes from; AWS has a `url` beside its `environment_id`. */
function checkSource(source: Json): void {
  const sources = ['file', 'url', 'environment_id'].filter((place) => place in source)
  if (sources.length === 0) throw new FileFlaw('has a "credential_source" without "file", "url" or "environment_id"')
  if (sources.length > 1 && sources[0] === 'file') {
    throw new FileFlaw('has a "credential_source" with more than one of "file", "url" and "environment_id"')
  }
}

/** Where a workforce pool's user gets new tokens; undefined is Google's usual place. */
export function checkedUserTokenUrl(json: Json, allowedHosts: readonly string[]): string | undefined {
  return 'token_url' in json ? checkedUrl(json, 'token_url', allowedHosts, userTokenService) : undefined
}

/** The URL in the member of a credential file that asks for another account's token. */
export function checkedImpersonationUrl(json: Json, allowedHosts: readonly string[]): string {
  return checkedUrl(json, 'service_account_impersonation_url', allowedHosts, iamCredentials)
}

/**
 * The URL in a member of a credential file, when its host is Google's or one that the configuration
 * allows.
 *
 * @param endpoint the one URL at Google that it may name: others there would keep what they are
 * sent, for whoever made the file
 */
function checkedUrl(json: Json, member: string, allowedHosts: readonly string[], endpoint?: GoogleEndpoint): string {
  const value = optionalText(json, member)
  const url = value && URL.canParse(value) ? new URL(value) : undefined
  if (!url || url.username || url.password) throw new FileFlaw(`has no usable URL in "${member}"`)
  if (allowedHosts.includes(url.host)) return securedUrl(url, member)
  if (url.hostname === metadataAddress) {
    throw new FileFlaw(
      `gets its token from the metadata service of AWS or Azure (${metadataAddress})`,
      `If the proxy runs there, add ${url.host} to GoogleCloudPlatform.AllowedCredentialHosts.`,
    )
  }
  if (!isGoogle(url)) {
    throw new FileFlaw(
      `names ${url.host} in "${member}", which is not Google's`,
      'If you trust that host with your credentials, add it to GoogleCloudPlatform.AllowedCredentialHosts.',
    )
  }
  if (endpoint && !endpoint.matches(url.href)) {
    throw new FileFlaw(
      `names something at ${url.host} in "${member}" that is not ${endpoint.name} (${endpoint.example})`,
    )
  }
  return url.href
}

/** Link-local (RFC 3927): of the cloud that the proxy runs in. */
const metadataAddress = '169.254.169.254'

function securedUrl(url: URL, member: string): string {
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isNear(url.hostname))) return url.href
  throw new FileFlaw(`has a URL without TLS in "${member}"`, 'Use https.')
}

function isGoogle(url: URL): boolean {
  return url.protocol === 'https:' && url.port === '' && url.hostname.endsWith('.googleapis.com')
}

/**
 * Metadata services of clouds (link-local, RFC 3927) speak plain HTTP, as do helpers on this
 * machine.
 */
function isNear(hostname: string): boolean {
  return isLoopback(hostname) || /^169\.254\.\d+\.\d+$/.test(hostname)
}
