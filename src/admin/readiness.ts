import type { TokenState } from '../credentials/token-cache.ts'
import { ProxyError } from '../errors.ts'
import type { ProxyStatus } from './proxy-status.ts'

/**
 * Ready: a request would be forwarded with a token now, to the named account. Without a name, to
 * every account or to any of them, as the configuration says.
 *
 * Throws a ProxyError if there is no account of this name.
 */
export function readinessOf(proxy: ProxyStatus, name: string | null) {
  const accounts = [...proxy.accounts()]
    .filter((account) => name === null || account.name === name)
    .map((account) => ({ name: account.name, ...tokenReadiness(account.tokenState()) }))
  if (name !== null && accounts.length === 0) throw unknownAccount()
  const trail = proxy.audit()
  const auditReady = trail?.accepting ?? true
  const readyAccounts = accounts.filter(({ ready }) => ready).length
  const required = proxy.readiness() === 'any' ? Math.min(1, accounts.length) : accounts.length
  const ready = proxy.accepting() && auditReady && readyAccounts >= required
  return { ready, accounts, ...(trail && { audit: { ready: auditReady } }) }
}

/** Doesn't repeat the name, which comes from outside, nor tell those of others. */
function unknownAccount(): ProxyError {
  return new ProxyError('unknown-account', {
    problem: 'The configuration has no account of the name that /readyz?account= asks for.',
    remedy: 'Compare the name with those in GoogleCloudPlatform.Accounts, upper and lower case included.',
  })
}

export function tokenReadiness({ usable, expiresAt, failure, nextAttemptAt }: TokenState) {
  return { ready: usable, tokenExpiresAt: isoTime(expiresAt), failure, nextAttemptAt: isoTime(nextAttemptAt) }
}

export function isoTime(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
