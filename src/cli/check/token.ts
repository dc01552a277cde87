import type { AccountSettings, Settings } from '../../config/settings.ts'
import { type AccessToken, TokenFailure } from '../../credentials/access-token.ts'
import { createFetchToken } from '../../credentials/fetch-token.ts'
import type { Connections } from '../../forward/connections.ts'
import type { KnownCredential } from './credential.ts'
import { setClock } from './network.ts'
import { tokenTrouble } from './token-trouble.ts'
import { Trouble } from './trouble.ts'

export interface TokenContext {
  readonly settings: Settings
  readonly connections: Connections
  readonly known: KnownCredential | null
  /** False if this machine's clock is known to be wrong. */
  readonly clockIsRight: boolean
}

/** Fetches a token as the proxy does; rejects with a Trouble. */
export async function fetchTokenFor(
  { credential }: AccountSettings,
  { settings, connections, known, clockIsRight }: TokenContext,
): Promise<AccessToken> {
  const { fetch, fetchDirect } = connections
  try {
    return await createFetchToken(credential, { ...settings.tokens, fetch, fetchDirect })()
  } catch (error) {
    if (error instanceof TokenFailure) throw tokenTrouble(error, known, clockIsRight)
    throw error
  }
}

/** How long a token lives still, in words. */
export function lifeOf({ expiresAt }: AccessToken): string {
  const seconds = Math.round((expiresAt - Date.now()) / 1000)
  if (seconds > 0) return seconds < 120 ? `valid for ${seconds} s` : `valid for ${Math.round(seconds / 60)} min`
  const why = 'The issuer gave a token that has expired already.'
  throw new Trouble('token-expired', why, `Check the clock of this machine: ${setClock}`)
}

/** The token endpoints that the accounts' credentials ask; those that only a credential's file names are left out. */
export function issuersOf({ accounts, tokens }: Settings): URL[] {
  const asks = new Set(['service-account-file', 'authorized-user-file', 'authorized-user'])
  const urls = accounts.flatMap(({ credential: { source, impersonate } }) => [
    ...(asks.has(source.kind) ? [tokens.tokenUrl ?? 'https://oauth2.googleapis.com/token'] : []),
    ...(impersonate === null ? [] : [tokens.iamCredentialsUrl ?? 'https://iamcredentials.googleapis.com/']),
  ])
  return [...new Set(urls.map((url) => new URL(url).origin))].map((origin) => new URL(origin))
}
