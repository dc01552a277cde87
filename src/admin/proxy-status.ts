import type { IncomingMessage } from 'node:http'
import type { LimiterStats } from '../concurrency/limiter.ts'
import type { CredentialDescription } from '../credentials/credential-description.ts'
import type { TokenState } from '../credentials/token-cache.ts'
import type { Client } from '../guard/client.ts'
import type { Metrics } from '../observe/metrics/metrics.ts'
import type { ReloadStatus } from '../observe/reload-status.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { AccountHistory, Totals } from '../observe/request-history.ts'

/** An upload of Orthanc that failed in an outage. */
export interface FailedJob {
  /** In Orthanc: the job that failed last, or the new one that was started for it. */
  readonly id: string
  /** The job that this one was started for. */
  readonly replaces: string | null
  readonly state: 'waiting' | 'started-again' | 'succeeded' | 'given-up'
  /** New jobs so far. */
  readonly attempts: number
  readonly failedAt: number
  readonly nextAttemptAt: number | null
  /** Why it was given up, and what to do. */
  readonly reason: string | null
}

export interface Account {
  readonly name: string
  /** Resource name at Google. */
  readonly store: string
  /** The allowed services. */
  readonly access: readonly string[]
  readonly credential: { readonly description: CredentialDescription }
  /** By service. */
  readonly limiters: Readonly<Record<string, LimiterStats>>
  tokenState(): TokenState
}

/** What the admin listener reads from the proxy. */
export interface ProxyStatus {
  readonly version: string
  /** False once the proxy shuts down. */
  accepting(): boolean
  accounts(): Iterable<Account>
  /** How many accounts must have a token, so that the proxy is ready. */
  readiness(): 'all' | 'any'
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>
  readonly history: {
    of(account: string): AccountHistory
    totals(account: string): Totals
    readonly inFlight: Iterable<RequestEvent>
  }
  /** Rejections of unauthenticated clients, by reason. */
  readonly rejected: { readonly counts: Readonly<Record<string, number>> }
  readonly reloads: Pick<ReloadStatus, 'rejected' | 'succeededAt'>
  /** The client that sent a request. Throws or rejects with a ProxyError. */
  readonly clientOf: (request: IncomingMessage) => Client | Promise<Client>
  /** Of an account; null if nobody looks after them. */
  readonly failedJobs: { of(account: string): readonly FailedJob[] } | null
  /** When the listeners' certificates end, in epoch milliseconds; null without TLS. */
  certificates(): { readonly certificate: number; readonly clientAuthorities: number | null } | null
  /** Null without an audit trail. */
  audit(): { readonly accepting: boolean; readonly available: boolean; readonly lost: number } | null
}
