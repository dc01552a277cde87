import type { TokenGrant } from './faults.ts'

/** How many token requests of each kind came in, failed ones included. */
export type TokenCounts = Record<TokenGrant, number> & { total: number }

export function newTokenCounts(): TokenCounts {
  return { total: 0, 'jwt-bearer': 0, refresh_token: 0, metadata: 0, 'token-exchange': 0, impersonation: 0 }
}
