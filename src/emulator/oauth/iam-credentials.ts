import type { Call } from '../call.ts'
import { iamCredentials, permissionDenied, refusalFor } from '../error-info.ts'
import { GoogleError } from '../google-error.ts'
import { type EmulatorResponse, jsonResponse } from '../response.ts'
import type { AccessTokens } from './access-tokens.ts'
import { unauthenticated } from './bearer.ts'
import type { Identities } from './identities.ts'
import { cloudPlatform } from './scopes.ts'

/** The scopes with which a caller may ask the IAM Service Account Credentials API. */
const callerScopes = [cloudPlatform, 'https://www.googleapis.com/auth/iam']

/** `POST /v1/projects/-/serviceAccounts/EMAIL:generateAccessToken`. */
export async function handleGenerateAccessToken(
  identities: Identities,
  tokens: AccessTokens,
  call: Call,
  email: string,
): Promise<EmulatorResponse> {
  const source = tokens.bearer(call.headers.authorization)
  if (!source) throw unauthenticated()
  const mayCall = source.scopes.some((scope) => callerScopes.includes(scope))
  if (!mayCall) throw refusal(refusalFor('ACCESS_TOKEN_SCOPE_INSUFFICIENT', iamCredentials, ''))
  if (!identities.mayImpersonate(source.identity, email)) throw refusal(permissionDenied.impersonation)
  const { scope, lifetime } = await call.json()
  const token = tokens.issue(email, scopesOf(scope), Math.min(secondsOf(lifetime), tokens.lifetime))
  return jsonResponse({ accessToken: token.value, expireTime: new Date(token.expiresAt).toISOString() })
}

function refusal({ message, info }: ReturnType<typeof refusalFor>): GoogleError {
  return new GoogleError(403, message, { info })
}

function scopesOf(scope: unknown): string[] {
  const valid = Array.isArray(scope) && scope.length > 0 && scope.every((item) => typeof item === 'string')
  if (!valid) throw new GoogleError(400, 'Scope is required.')
  return scope
}

/** A JSON duration such as "3600s"; one hour at most, unless an organisation policy extends it. */
function secondsOf(lifetime: unknown): number {
  if (lifetime === undefined) return 3600
  const seconds = Number(/^(\d+)s$/.exec(String(lifetime))?.[1] ?? Number.NaN)
  if (!(seconds > 0 && seconds <= 3600)) throw new GoogleError(400, 'Invalid lifetime: at most 3600s.')
  return seconds
}
