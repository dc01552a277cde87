import { DiagnosedError, type Diagnosis } from '../errors.ts'

/** A bearer token (RFC 6750) and when it ends. */
export interface AccessToken {
  readonly value: string
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly expiresAt: number
  /**
   * Project that the credential file asks to bill (`quota_project_id`); an account's `QuotaProject`
   * wins over it.
   */
  readonly quotaProject?: string
}

/**
 * Asks an issuer for a new token, each time. One per credential. Rejects with {@link TokenFailure}.
 */
export type FetchToken = () => Promise<AccessToken>

/** The tokens of one credential, as a request needs them. */
export interface TokenSource {
  /**
   * A token that Google should accept: at once if one is there, else a promise, which rejects with
   * a ProxyError `token-unavailable` when none is to be had.
   *
   * @param minimumLife milliseconds that a token from the cache must still have. A token fetched
   * just now is given even if it has less: there is no better one.
   */
  token(minimumLife?: number): AccessToken | Promise<AccessToken>
  /** Says that Google rejected this token value, so that the next request gets another one. */
  invalidate(rejected: AccessToken): void
}

/** Why there is no token. */
export class TokenFailure extends DiagnosedError {
  constructor(diagnosis: Diagnosis, options?: ErrorOptions) {
    super(diagnosis, options)
    this.name = 'TokenFailure'
  }
}

/**
 * Far longer than those of Google (https://cloud.google.com/iam/docs/workload-identity-federation
 * has up to 12 KiB).
 */
const maxTokenCharacters = 16 * 1024
/**
 * Longest life (ms) that is believed: Google gives twelve hours at the most (IAM, "Create
 * short-lived credentials"). What says more is fetched again after a day; a time beyond what a
 * `Date` can hold would fail later, and unexpectedly.
 */
const maxLifeMs = 24 * 3_600_000

/**
 * A token from an issuer's response, if it can stand in an `Authorization` header (RFC 6750 2.1).
 */
export function checkedToken(issuer: string, value: unknown, expiresAt: number): AccessToken {
  const isToken = typeof value === 'string' && value.length <= maxTokenCharacters && /^[\x21-\x7e]+$/.test(value)
  if (!isToken) throw new TokenFailure(notAToken(issuer))
  // RFC 6749 5.1 lets an issuer keep the expiry to itself; Google's have one ("OAuth 2.0 for
  // Server to Server Applications").
  if (!Number.isFinite(expiresAt)) throw new TokenFailure(withoutExpiry(issuer))
  return { value, expiresAt: Math.min(expiresAt, Date.now() + maxLifeMs) }
}

export function notAToken(issuer: string): Diagnosis {
  return {
    code: 'issuer-wrong',
    problem: `The ${issuer}'s response is not an access token.`,
    remedy: wrongIssuer,
  }
}

function withoutExpiry(issuer: string): Diagnosis {
  return {
    code: 'issuer-wrong',
    problem: `The ${issuer}'s response does not say when the token expires.`,
    remedy: wrongIssuer,
  }
}

const wrongIssuer =
  "Correct TokenUrl if you set it (Google's is https://oauth2.googleapis.com/token), and ask the network's administrator whether a login page responds instead."

/** A token that is of no use already when it comes. */
export const alreadyExpired: Diagnosis = {
  code: 'token-expired',
  problem: 'The issuer gave a token that has already expired.',
  remedy: 'Set the clock of this machine: timedatectl set-ntp true',
}
