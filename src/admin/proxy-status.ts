import type { IncomingMessage } from 'node:http'
import type { CredentialDescription } from '../credentials/credential-description.ts'
import type { TokenState } from '../credentials/token-cache.ts'
import type { Client } from '../guard/client.ts'
import type { Metrics } from '../observe/metrics/metrics.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { AccountHistory, Totals } from '../observe/request-history.ts'

/** How many requests are at Google, wait for it, and may be there now. */
export interface LimiterStats {
  readonly inFlight: number
  readonly queued: number
  readonly limit: number
}

export interface Account {
  readonly name: string
  /** Resource name at Google. */
  readonly store: string
  /** Services that may be used. */
  readonly access: readonly string[]
  readonly credential: { readonly description: CredentialDescription }
  /** By service. */
  readonly limiters: Readonly<Record<string, LimiterStats>>
  tokenState(): TokenState
}

/** What the admin listener needs to know of the proxy. */
export interface ProxyStatus {
  readonly version: string
  /** False from the moment that the proxy shuts down. */
  accepting(): boolean
  accounts(): Iterable<Account>
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>
  readonly history: {
    of(account: string): AccountHistory
    totals(account: string): Totals
    readonly inFlight: Iterable<RequestEvent>
  }
  /** How often strangers were refused, by what. */
  readonly rejected: { readonly counts: Readonly<Record<string, number>> }
  /** Who a request is from. Throws or rejects with a ProxyError. */
  readonly clientOf: (request: IncomingMessage) => Client | Promise<Client>
  /** Null when no audit trail is kept. */
  audit(): { readonly accepting: boolean; readonly available: boolean; readonly lost: number } | null
}
