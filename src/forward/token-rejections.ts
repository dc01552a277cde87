import type { AccessToken, TokenSource } from '../credentials/access-token.ts'

/**
 * The tokens that Google rejects (401) during one request or poll: the first is invalidated, and a
 * new one is worth another attempt. A second rejection ends the matter.
 *
 * The two loops that send again are `#untilResponse()` in server/attempts.ts and `pollOnce()` in
 * operation.ts. They share no more than this: the first also gives up its slot, and asks whether
 * the body can be sent again.
 */
export class TokenRejections {
  readonly #tokens: Pick<TokenSource, 'invalidate'>
  #isUsed = false

  constructor(tokens: Pick<TokenSource, 'invalidate'>) {
    this.#tokens = tokens
  }

  /** Invalidates the first token that was rejected. False for a second: another would not help. */
  invalidateOnce(rejected: AccessToken): boolean {
    if (this.#isUsed) return false
    this.#isUsed = true
    this.#tokens.invalidate(rejected)
    return true
  }
}
