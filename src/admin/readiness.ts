import type { TokenState } from '../credentials/token-cache.ts'
import type { ProxyStatus } from './proxy-status.ts'

/** Ready: a request to any account would be forwarded with a token now. */
export function readinessOf({ accepting, accounts: all, audit }: ProxyStatus) {
  const accounts = [...all()].map(({ name, tokenState }) => ({ name, ...tokenReadiness(tokenState()) }))
  const trail = audit()
  const auditReady = trail?.accepting ?? true
  const ready = accepting() && auditReady && accounts.every((account) => account.ready)
  return { ready, accounts, ...(trail && { audit: { ready: auditReady } }) }
}

export function tokenReadiness({ usable, expiresAt, failure, nextAttemptAt }: TokenState) {
  return { ready: usable, tokenExpiresAt: isoTime(expiresAt), failure, nextAttemptAt: isoTime(nextAttemptAt) }
}

export function isoTime(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
