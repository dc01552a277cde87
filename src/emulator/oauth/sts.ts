import type { Call } from '../call.ts'
import { OAuthError } from '../google-error.ts'
import { type EmulatorResponse, jsonResponse } from '../response.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { WorkforceUser, WorkloadIdentity } from './identities.ts'
import { decodeJwt, isSignedBy, signJwt } from './jwt.ts'
import { cloudPlatform, parseScopes } from './scopes.ts'
import { tokenResponse } from './token-endpoint.ts'

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const subjectTokenTypes = new Set(['urn:ietf:params:oauth:token-type:jwt', 'urn:ietf:params:oauth:token-type:id_token'])

/** Seconds that a subject token lives. */
const subjectTokenLifetime = 3600

/**
 * Google's Security Token Service: `POST /v1/token`, a token of another issuer for one of Google's
 * (RFC 8693).
 */
export async function handleTokenExchange(
  tokens: AccessTokens,
  workload: WorkloadIdentity,
  call: Call,
): Promise<EmulatorResponse> {
  const form = await call.form()
  demand(form.get('grant_type') === tokenExchange, 'unsupported_grant_type', 'Invalid grant_type.')
  demand(form.get('requested_token_type') === accessTokenType, 'invalid_request', 'Invalid requested_token_type.')
  demand(subjectTokenTypes.has(form.get('subject_token_type') ?? ''), 'invalid_request', 'Invalid subject_token_type.')
  demand(form.get('audience') === workload.audience, 'invalid_target', 'The audience names no known provider.')
  checkSubjectToken(form.get('subject_token') ?? '', workload)
  const token = tokens.issue(workload.principal, parseScopes(form.get('scope')))
  return tokenResponse(token, { issued_token_type: accessTokenType })
}

/**
 * `POST /v1/oauthtoken`: a new token of a workforce pool's user, whose client logs in by HTTP Basic
 * (RFC 6749 2.3.1, 6).
 */
export async function handleWorkforceRefresh(
  tokens: AccessTokens,
  user: WorkforceUser,
  call: Call,
): Promise<EmulatorResponse> {
  const form = await call.form()
  const login = Buffer.from(`${user.clientId}:${user.clientSecret}`).toString('base64')
  if (call.headers.authorization !== `Basic ${login}`) throw new OAuthError(401, 'invalid_client', 'Unauthorized')
  demand(form.get('grant_type') === 'refresh_token', 'unsupported_grant_type', 'Invalid grant_type.')
  demand(form.get('refresh_token') === user.refreshToken, 'invalid_grant', 'The refresh token is invalid or expired.')
  return tokenResponse(tokens.issue(user.principal, [cloudPlatform]))
}

function checkSubjectToken(subjectToken: string, { issuer, audience, subject, key }: WorkloadIdentity): void {
  const jwt = decodeJwt(subjectToken)
  demand(jwt !== undefined, 'invalid_grant', 'The subject token is not a JWT.')
  const { claims } = jwt
  demand(claims.iss === issuer, 'invalid_grant', 'The issuer in ID Token does not match the expected one.')
  demand(isSignedBy(jwt, key.publicKey), 'invalid_grant', 'Error validating the signature of the ID Token.')
  const audiences = [audience, `https:${audience}`]
  demand(audiences.includes(String(claims.aud)), 'invalid_grant', 'The audience in ID Token does not match.')
  demand(Number(claims.exp) > Date.now() / 1000, 'invalid_grant', 'ID Token is stale to sign-in.')
  demand(claims.sub === subject, 'unauthorized_client', 'The given credential is rejected by the attribute condition.')
}

function demand(condition: boolean, code: string, description: string): asserts condition {
  if (!condition) throw new OAuthError(400, code, description)
}

/** What the provider outside Google gives its workload. */
export function subjectToken(workload: WorkloadIdentity): string {
  const now = Math.floor(Date.now() / 1000)
  const { issuer: iss, subject: sub, audience: aud } = workload
  return signJwt({ iss, sub, aud, iat: now, exp: now + subjectTokenLifetime }, workload.key.privateKey, workload.key.id)
}

/** `GET /subject-token`: the URL source of an external account file, in its `json` format. */
export function handleSubjectToken(workload: WorkloadIdentity): EmulatorResponse {
  return jsonResponse({ subject_token: subjectToken(workload) })
}
