import type { AccessToken, TokenSource } from '../credentials/access-token.ts'

/**
 * What follows a 401 of Google's, for everything that is sent with an account's token: the token is
 * invalidated, and the request may be sent again with a new one, once.
 */
export class UnauthorizedRetry {
  readonly #tokens: Pick<TokenSource, 'invalidate'>
  #isUsed = false

  constructor(tokens: Pick<TokenSource, 'invalidate'>) {
    this.#tokens = tokens
  }

  /**
   * Whether to send the request again, with a new token. False when that was rejected, too: another
   * would not help.
   */
  allows(rejected: AccessToken): boolean {
    if (this.#isUsed) return false
    this.#isUsed = true
    this.#tokens.invalidate(rejected)
    return true
  }
}
