import { hash } from 'node:crypto'
import { canonicalAlternative, canonicalClientName } from '../config/canonical-names.ts'
import { type PasswordHash, parsePasswordHash } from '../config/password-hash.ts'
import type { ClientSettings } from '../config/settings.ts'
import type { CertificateNames } from './certificate.ts'
import { type Client, clientFrom } from './client.ts'

/** A client that logs in by password. */
export interface PasswordClient {
  readonly client: Client
  /** As configured; a different text means a different password. */
  readonly hashText: string
  readonly hash: PasswordHash
}

/** The clients, by their credentials. */
export class ClientDirectory {
  readonly #byName = new Map<string, PasswordClient>()
  readonly #byToken = new Map<string, Client>()
  readonly #bySubject = new Map<string, Client>()
  readonly #byAlternative = new Map<string, Client>()

  constructor(clients: readonly ClientSettings[]) {
    for (const settings of clients) {
      const { name, passwordHash, tokenDigest, certificateSubject, certificateName } = settings
      const client = clientFrom(settings)
      const hash = passwordHash === null ? null : parsePasswordHash(passwordHash)
      if (passwordHash !== null && hash) {
        this.#byName.set(name, { client, hashText: passwordHash, hash })
      }
      if (tokenDigest !== null) this.#byToken.set(tokenDigest, client)
      if (certificateSubject !== null) this.#bySubject.set(certificateSubject, client)
      if (certificateName !== null) this.#byAlternative.set(canonicalAlternative(certificateName), client)
    }
  }

  byName(name: string): PasswordClient | undefined {
    return this.#byName.get(canonicalClientName(name))
  }

  /** Nobody can choose a token's digest, so the lookup time reveals nothing about other tokens. */
  byToken(token: string): Client | undefined {
    return this.#byToken.get(`sha256:${hash('sha256', token)}`)
  }

  /** Undefined also if a certificate matches two clients. */
  byCertificate({ subject, alternatives }: CertificateNames): Client | undefined {
    const found = [this.#bySubject.get(subject), ...alternatives.map((name) => this.#byAlternative.get(name))]
    const [client, ...others] = new Set(found.filter((each) => each !== undefined))
    return others.length === 0 ? client : undefined
  }

  /** One of the configured hashes, chosen by the key; undefined if no client has a password. */
  anyHash(key: number): PasswordHash | undefined {
    const all = [...this.#byName.values()]
    return all[key % all.length]?.hash
  }
}
