/** An API of Google's that credential files name, and that gets their secrets. */
export interface GoogleEndpoint {
  readonly name: string
  /** How its URL looks as a rule, for messages. */
  readonly example: string
  /** Whether a URL, normalized, is that API's one method: host, path, and nothing behind it. */
  matches(href: string): boolean
}

/**
 * The hosts of one API: its own, a regional one, one with mutual TLS, and one of Private Service Connect. These are the patterns that
 * Google's own libraries checked credential files by (https://github.com/golang/oauth2, CL 439677), without capitals, which URLs don't keep.
 */
function hostsOf(api: string): string {
  const label = '[a-z0-9-]+'
  const host = [api, `${api}\\.${label}`, `${api}\\.${label}\\.rep`, `${label}-${api}`, `${api}-${label}\\.p`].join('|')
  return `(?:${host})\\.googleapis\\.com`
}

const tokenExchange = new RegExp(`^https://${hostsOf('sts')}/v1/token$`)
const impersonation = new RegExp(
  `^https://${hostsOf('iamcredentials')}/v1/projects/-/serviceAccounts/(?:[\\w.@-]|%40)+:generateAccessToken$`,
)

/** https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token */
export const securityTokenService: GoogleEndpoint = {
  name: "Google's Security Token Service",
  example: 'https://sts.googleapis.com/v1/token',
  matches: (href) => tokenExchange.test(href),
}

/** https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken */
export const iamCredentials: GoogleEndpoint = {
  name: "Google's IAM Credentials API",
  example: 'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken',
  matches: (href) => impersonation.test(href),
}
