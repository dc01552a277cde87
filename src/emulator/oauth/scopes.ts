import { OAuthError } from '../google-error.ts'

const root = 'https://www.googleapis.com/auth/'

export const cloudPlatform = `${root}cloud-platform`

/** The scopes that the Cloud Healthcare API accepts (its reference, "Authorization scopes"). */
const healthcare = new Set([cloudPlatform, `${root}cloud-healthcare`])

export function allowsHealthcare(scopes: readonly string[]): boolean {
  return scopes.some((scope) => healthcare.has(scope))
}

/**
 * Splits a scope parameter. Any scope that looks like one is granted (assumed), and the API called
 * refuses it later.
 */
export function parseScopes(text: unknown, separator: RegExp = / +/): string[] {
  const scopes = typeof text === 'string' ? text.split(separator).filter((scope) => scope !== '') : []
  const known = (scope: string) => scope.startsWith(root) || ['openid', 'email', 'profile'].includes(scope)
  if (scopes.length === 0 || !scopes.every(known)) {
    throw new OAuthError(400, 'invalid_scope', 'Invalid OAuth scope or ID token audience provided.')
  }
  return scopes
}
