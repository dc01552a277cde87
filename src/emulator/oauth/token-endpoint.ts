import type { Clock } from '../clock.ts'
import { OAuthError } from '../google-error.ts'
import { type EmulatorResponse, jsonResponse } from '../response.ts'
import type { AccessTokens, IssuedToken } from './access-tokens.ts'
import type { AuthorizedUser, Identities } from './identities.ts'
import { decodeJwt, isSignedBy, type Jwt } from './jwt.ts'
import { cloudPlatform, parseScopes } from './scopes.ts'

const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/** Google's own token endpoint: client libraries put it into `aud`, independent of `token_uri`. */
const googleTokenUrl = 'https://oauth2.googleapis.com/token'

/** Seconds by which a client's clock may be off. */
const clockSkew = 300

export interface TokenEndpoint {
  readonly identities: Identities
  readonly tokens: AccessTokens
  readonly user: AuthorizedUser
  readonly tokenUrl: string
  readonly clock: Clock
}

/** `POST /token`: service accounts (RFC 7523) and authorized users (RFC 6749, 6). */
export function handleTokenRequest(endpoint: TokenEndpoint, form: URLSearchParams): EmulatorResponse {
  const grant = form.get('grant_type')
  if (grant === jwtBearer) return tokenResponse(jwtBearerGrant(endpoint, form))
  if (grant === 'refresh_token') return tokenResponse(refreshTokenGrant(endpoint, form))
  throw new OAuthError(400, 'unsupported_grant_type', `Invalid grant_type: ${grant ?? ''}`)
}

function jwtBearerGrant({ identities, tokens, tokenUrl, clock }: TokenEndpoint, form: URLSearchParams): IssuedToken {
  const jwt = decodeJwt(form.get('assertion') ?? '')
  if (!jwt) throw invalidGrant('Bad Request')
  const account = identities.serviceAccount(String(jwt.claims.iss))
  if (!account) throw invalidGrant('Invalid grant: account not found')
  if (jwt.header.kid !== undefined && jwt.header.kid !== account.key.id) throw invalidGrant('Invalid JWT: unknown key.')
  if (!isSignedBy(jwt, account.key.publicKey)) throw invalidGrant('Invalid JWT Signature.')
  if (jwt.claims.aud !== googleTokenUrl && jwt.claims.aud !== tokenUrl) {
    throw invalidGrant('Invalid JWT: Failed audience check.')
  }
  checkTimes(jwt, clock)
  return tokens.issue(account.email, parseScopes(jwt.claims.scope))
}

function checkTimes({ claims: { iat, exp } }: Jwt, clock: Clock): void {
  const now = clock.now() / 1000
  const sane =
    typeof iat === 'number' &&
    typeof exp === 'number' &&
    exp - iat <= 3600 &&
    iat <= now + clockSkew &&
    exp > now - clockSkew &&
    exp > iat
  if (!sane) throw invalidGrant('Invalid JWT: iat and exp must lie at most 60 minutes apart and near the current time.')
}

function refreshTokenGrant({ tokens, user }: TokenEndpoint, form: URLSearchParams): IssuedToken {
  if (form.get('client_id') !== user.clientId) {
    throw new OAuthError(401, 'invalid_client', 'The OAuth client was not found.')
  }
  if (form.get('client_secret') !== user.clientSecret) throw new OAuthError(401, 'invalid_client', 'Unauthorized')
  if (form.get('refresh_token') !== user.refreshToken) throw invalidGrant('Token has been expired or revoked.')
  return tokens.issue(user.email, [cloudPlatform])
}

function invalidGrant(description: string): OAuthError {
  return new OAuthError(400, 'invalid_grant', description)
}

export function tokenResponse(token: IssuedToken, more: object = {}): EmulatorResponse {
  const expiresIn = Math.floor((token.expiresAt - Date.now()) / 1000)
  const body = { access_token: token.value, expires_in: expiresIn, token_type: 'Bearer', ...more }
  return jsonResponse(body, 200, { 'cache-control': 'no-store' })
}
