import { inOneLine } from '../errors.ts'
import type { Account, ProxyStatus } from './proxy-status.ts'

interface Now {
  readonly accepting: boolean
  readonly audit: ReturnType<ProxyStatus['audit']>
  readonly certificates: ReturnType<ProxyStatus['certificates']>
  readonly accounts: readonly Account[]
}

/** Why no request of any client can succeed now, and what to do; null if some can. */
export function whyAllRefused({ accepting, audit, certificates, accounts }: Now): string | null {
  if (!accepting) return 'The proxy is shutting down.'
  if (audit?.accepting === false) {
    return inOneLine({
      problem: 'Every request is refused with 503: the audit trail can’t be written, and Audit.Required is set.',
      remedy: 'Read the log for the reason: no space, no rights, or a repository that can’t be reached.',
    })
  }
  if (accounts.length > 0 && accounts.every(hasNoToken)) {
    const none = accounts.length === 1 ? 'the account has no access token' : 'no account has an access token'
    return inOneLine({ problem: `Every request is refused with 503: ${none}.`, remedy: 'Read below why.' })
  }
  if (certificates !== null && certificates.certificate <= Date.now()) {
    return inOneLine({
      problem: 'Clients that check certificates can’t connect: the proxy’s has expired.',
      remedy: 'Replace the files that DicomWebProxy.Tls names; they are read again without a restart.',
    })
  }
  return null
}

/** Right after the start, there is neither a token nor a failure. */
function hasNoToken({ tokenState }: Account): boolean {
  const { usable, failure } = tokenState()
  return !usable && failure !== null
}
