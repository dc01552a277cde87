/** A bearer token (RFC 6750) and when it ends. */
export interface AccessToken {
  readonly value: string
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly expiresAt: number
  /** Project that the credential file asks to bill (`quota_project_id`); an account's `QuotaProject` wins over it. */
  readonly quotaProject?: string
}

/** Asks an issuer for a new token, each time. One per credential. Rejects with {@link TokenFailure}. */
export type FetchToken = () => Promise<AccessToken>

/** The tokens of one credential, as a request needs them. */
export interface TokenSource {
  /**
   * A token that Google should accept. Rejects with a ProxyError `token-unavailable` when none is to be had.
   *
   * @param minimumLife milliseconds that a token from the cache must still have. A token fetched just now is given
   * even if it has less: there is no better one.
   */
  token(minimumLife?: number): Promise<AccessToken>
  /** Says that Google rejected this token value, so that the next request gets another one. */
  invalidate(rejected: AccessToken): void
}

/** Why no token came: a sentence that says what happened and what to do, free of secrets. */
export class TokenFailure extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TokenFailure'
  }
}
