import type { Call } from '../call.ts'
import { OAuthError } from '../google-error.ts'
import { type EmulatorResponse, jsonResponse } from '../response.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { WorkloadIdentity } from './identities.ts'
import { decodeJwt, isSignedBy, signJwt } from './jwt.ts'
import { parseScopes } from './scopes.ts'
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
