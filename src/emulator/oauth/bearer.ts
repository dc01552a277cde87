import { healthcare, permissionDenied, refusalFor } from '../error-info.ts'
import { GoogleError } from '../google-error.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { Identities } from './identities.ts'
import { allowsHealthcare } from './scopes.ts'

const realm = 'Bearer realm="https://accounts.google.com/"'

export function unauthenticated(): GoogleError {
  return new GoogleError(
    401,
    'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
    { headers: { 'www-authenticate': `${realm}, error="invalid_token"` } },
  )
}

/**
 * Who asks, by a token that is good and meant for the Cloud Healthcare API; throws what Google
 * returns otherwise.
 */
export function authenticate(tokens: AccessTokens, authorization: string | undefined): string {
  const token = tokens.bearer(authorization)
  if (!token) throw unauthenticated()
  if (allowsHealthcare(token.scopes)) return token.identity
  const { message, info } = refusalFor('ACCESS_TOKEN_SCOPE_INSUFFICIENT', healthcare, '')
  const headers = { 'www-authenticate': `${realm}, error="insufficient_scope"` }
  throw new GoogleError(403, message, { headers, info })
}

/**
 * Lets a request pass that may read (or write) on a store; throws what Google returns otherwise.
 */
export function authorize(
  tokens: AccessTokens,
  identities: Identities,
  authorization: string | undefined,
  store: { readonly name: string; readonly exists: boolean; readonly write: boolean },
): void {
  const role = identities.role(authenticate(tokens, authorization), store.name)
  if (role === 'editor' ? store.exists : role === 'viewer' && store.exists && !store.write) return
  // The same response for a store that does not exist: its name must not leak to anyone who may not
  // see it.
  const permission = store.write ? 'dicomWebWrite' : 'dicomWebRead'
  const { message, info } = permissionDenied.on(store.name, `healthcare.dicomStores.${permission}`)
  throw new GoogleError(403, message, { info })
}
