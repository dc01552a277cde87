/** An API of Google's that credential files name, and that gets their secrets. */
export interface GoogleEndpoint {
  readonly name: string
  /** How its URL looks as a rule, for messages. */
  readonly example: string
  /** Whether a URL, normalized, is that API's one method: host, path, and nothing behind it. */
  matches(href: string): boolean
}

/**
 * The hosts of each API: its own, a regional one, one with mutual TLS, and one of Private Service
 * Connect. These are the patterns that Google's own libraries checked credential files by
 * (https://github.com/golang/oauth2, CL 439677), without capitals, which URLs don't keep.
 */
const stsHost =
  /^(?:sts|sts\.[a-z0-9-]{1,63}|sts\.[a-z0-9-]{1,63}\.rep|[a-z0-9-]{1,63}-sts|sts-[a-z0-9-]{1,63}\.p)\.googleapis\.com$/
const iamCredentialsHost =
  /^(?:iamcredentials|iamcredentials\.[a-z0-9-]{1,63}|iamcredentials\.[a-z0-9-]{1,63}\.rep|[a-z0-9-]{1,63}-iamcredentials|iamcredentials-[a-z0-9-]{1,63}\.p)\.googleapis\.com$/
const tokenPath = /^\/v1\/token$/
const userTokenPath = /^\/v1\/oauthtoken$/
const impersonationPath = /^\/v1\/projects\/-\/serviceAccounts\/(?:[\w.@-]|%40)+:generateAccessToken$/

/**
 * Whether a URL is https on such a host, with such a path, and has neither user, port, query nor
 * fragment.
 */
function isAt(href: string, host: RegExp, path: RegExp): boolean {
  if (!URL.canParse(href)) return false
  const { protocol, hostname, pathname, origin } = new URL(href)
  return protocol === 'https:' && host.test(hostname) && path.test(pathname) && href === origin + pathname
}

/** https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token */
export const securityTokenService: GoogleEndpoint = {
  name: "Google's Security Token Service",
  example: 'https://sts.googleapis.com/v1/token',
  matches: (href) => isAt(href, stsHost, tokenPath),
}

/** The same service, for people: https://cloud.google.com/iam/docs/workforce-obtaining-short-lived-credentials */
export const userTokenService: GoogleEndpoint = {
  name: "Google's Security Token Service",
  example: 'https://sts.googleapis.com/v1/oauthtoken',
  matches: (href) => isAt(href, stsHost, userTokenPath),
}

/**
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
 */
export const iamCredentials: GoogleEndpoint = {
  name: "Google's IAM Credentials API",
  example: 'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken',
  matches: (href) => isAt(href, iamCredentialsHost, impersonationPath),
}
