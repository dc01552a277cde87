import type { AccountSettings, Settings } from '../../config/settings.ts'
import { type AccessToken, alreadyExpired, TokenFailure } from '../../credentials/access-token.ts'
import { createFetchToken } from '../../credentials/fetch-token.ts'
import { diagnoseRefusal, issuerRefusalOf } from '../../credentials/token-failure.ts'
import { DiagnosedError } from '../../errors.ts'
import type { Connections } from '../../forward/connections.ts'
import type { KnownCredential } from './credential.ts'

export interface TokenContext {
  readonly settings: Settings
  readonly connections: Connections
  readonly known: KnownCredential | null
  /** False if this machine's clock is known to be wrong. */
  readonly clockIsRight: boolean
}

/** Fetches a token as the proxy does; rejects with a DiagnosedError. */
export async function fetchTokenFor(
  { credential }: AccountSettings,
  { settings, connections, known, clockIsRight }: TokenContext,
): Promise<AccessToken> {
  const { fetch, fetchDirect } = connections
  try {
    return await createFetchToken(credential, { ...settings.tokens, fetch, fetchDirect })()
  } catch (error) {
    const refusal = error instanceof TokenFailure && issuerRefusalOf(error.cause)
    if (!refusal) throw error
    // More is known here than where the proxy fetches it.
    const { type = null, own: account = null, file = null } = known ?? {}
    const facts = { type, account, target: credential.impersonate, file, clockIsRight }
    throw new DiagnosedError(diagnoseRefusal(refusal, facts), { cause: error })
  }
}

/** How long a token is still valid, in words. */
export function lifeOf({ expiresAt }: AccessToken): string {
  const seconds = Math.round((expiresAt - Date.now()) / 1000)
  if (seconds > 0) return seconds < 120 ? `valid for ${seconds} s` : `valid for ${Math.round(seconds / 60)} min`
  throw new DiagnosedError(alreadyExpired)
}

/**
 * The token endpoints that the accounts' credentials ask; those that only a credential's file names
 * are left out.
 */
export function issuersOf({ accounts, tokens }: Settings): URL[] {
  const asks = new Set(['service-account-file', 'authorized-user-file', 'authorized-user'])
  const urls = accounts.flatMap(({ credential: { source, impersonate } }) => [
    ...(asks.has(source.kind) ? [tokens.tokenUrl ?? 'https://oauth2.googleapis.com/token'] : []),
    ...(impersonate === null ? [] : [tokens.iamCredentialsUrl ?? 'https://iamcredentials.googleapis.com/']),
  ])
  return [...new Set(urls.map((url) => new URL(url).origin))].map((origin) => new URL(origin))
}
