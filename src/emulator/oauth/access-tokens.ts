import { randomBytes } from 'node:crypto'

export interface IssuedToken {
  readonly value: string
  /** Email of a service account or user, or the principal of a workload identity. */
  readonly identity: string
  readonly scopes: readonly string[]
  /** Epoch milliseconds. */
  expiresAt: number
}

/** Every access token issued and not yet ended: opaque strings, their meaning is kept here. */
export class AccessTokens {
  /** Seconds that a token lives, unless asked otherwise. */
  lifetime: number
  readonly #issued = new Map<string, IssuedToken>()

  constructor(lifetime: number) {
    this.lifetime = lifetime
  }

  issue(identity: string, scopes: readonly string[], lifetime = this.lifetime): IssuedToken {
    this.#forgetExpired()
    const value = `ya29.${randomBytes(120).toString('base64url')}`
    const token = { value, identity, scopes, expiresAt: Date.now() + lifetime * 1000 }
    this.#issued.set(value, token)
    return token
  }

  /** The token of an `Authorization: Bearer` field (RFC 6750, 2.1), if it is still good. */
  bearer(authorization: string | undefined): IssuedToken | undefined {
    const value = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    const token = value === undefined ? undefined : this.#issued.get(value)
    return token && token.expiresAt > Date.now() ? token : undefined
  }

  /**
   * From now on, none of the tokens issued so far is accepted; their holders believe they have time
   * left.
   */
  revoke(): void {
    this.#issued.clear()
  }

  /**
   * All tokens issued so far have reached their end, also where the metadata server has them
   * cached.
   */
  expire(): void {
    for (const token of this.#issued.values()) token.expiresAt = Date.now()
  }

  has(token: IssuedToken): boolean {
    return this.#issued.has(token.value)
  }

  #forgetExpired(): void {
    for (const token of this.#issued.values()) if (token.expiresAt <= Date.now()) this.#issued.delete(token.value)
  }
}
