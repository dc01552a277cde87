import type { Registry } from 'prom-client'
import type { LimiterStats } from '../../concurrency/limiter.ts'
import type { ReloadStatus } from '../reload-status.ts'
import type { RequestEvent } from '../request-event.ts'
import type { Traffic } from '../request-history.ts'
import { type Reading, registerCounter, registerGauge } from './read-metrics.ts'

/** Busy and idle connections to Google. */
export interface ConnectionCounts {
  readonly busy: number
  readonly idle: number
}

interface Account {
  readonly name: string
  /** By service. */
  readonly limiters: Readonly<Record<string, LimiterStats>>
  tokenState(): TokenState
}

interface TokenState {
  readonly usable: boolean
  readonly expiresAt: number | null
  readonly fetchedAt: number | null
  readonly refreshes: number
  readonly failures: number
}

/** Of an account, since the start. */
export interface FailedJobCounts {
  readonly waiting: number
  /** New jobs. */
  readonly started: number
  readonly givenUp: number
}

/** What the metrics read at each scrape. */
export interface ProxyState {
  readonly version: string
  accounts(): Iterable<Account>
  readonly history: {
    readonly inFlight: Iterable<RequestEvent>
    traffic(): Iterable<Traffic>
  }
  /** By transport. */
  connections(): Readonly<Record<string, ConnectionCounts>>
  readonly rejected: { readonly counts: Readonly<Record<string, number>> }
  /** Orthanc's uploads that failed in an outage; null if nobody looks after them. */
  readonly failedJobs: { countsOf(account: string): FailedJobCounts } | null
  readonly reloads: Pick<ReloadStatus, 'rejected' | 'succeededAt'>
  /** When the listeners' certificates end, in epoch milliseconds; null without TLS. */
  certificates(): { readonly certificate: number; readonly clientAuthorities: number | null } | null
  /** Null without an audit trail. */
  audit(): { readonly available: boolean; readonly lost: number } | null
}

const byService = ['account', 'service']

export function registerState(registry: Registry, state: ProxyState): void {
  registerTraffic(registry, state)
  registerLimiters(registry, state)
  registerTokens(registry, state)
  registerFailedJobs(registry, state)
  registerProcess(registry, state)
  registerCertificates(registry, state)
}

function registerTraffic(registry: Registry, { history }: ProxyState): void {
  const bytes = (direction: 'received' | 'sent') =>
    function* (): Generator<Reading> {
      for (const { account, service, ...passed } of history.traffic()) yield [{ account, service }, passed[direction]]
    }
  registerCounter(registry, {
    name: 'received_bytes_total',
    help: 'Body bytes received from clients.',
    labels: byService,
    read: bytes('received'),
  })
  registerCounter(registry, {
    name: 'sent_bytes_total',
    help: 'Body bytes of responses sent to clients.',
    labels: byService,
    read: bytes('sent'),
  })
}

function registerLimiters(registry: Registry, { accounts, history }: ProxyState): void {
  const limiters = (figure: keyof LimiterStats) =>
    function* (): Generator<Reading> {
      for (const { name: account, limiters } of accounts()) {
        for (const [service, stats] of Object.entries(limiters)) yield [{ account, service }, stats[figure]]
      }
    }
  const gauge = (name: string, help: string, read: () => Iterable<Reading>) =>
    registerGauge(registry, { name, help, labels: byService, read })
  gauge('requests_in_flight', 'Requests in flight.', () => inFlightOf(accounts(), history.inFlight))
  gauge('upstream_requests_in_flight', 'Requests in flight at Google.', limiters('inFlight'))
  gauge('upstream_requests_queued', 'Requests queued for a slot at Google.', limiters('queued'))
  gauge(
    'upstream_requests_limit',
    'Current limit of requests in flight at Google, lowered while Google rejects some because of load.',
    limiters('limit'),
  )
}

/** Autoscalers take a series that is missing for unknown, not for 0. */
function inFlightOf(accounts: Iterable<Account>, events: Iterable<RequestEvent>): Iterable<Reading> {
  const counts = new Map<string, [{ account: string; service: string }, number]>()
  const count = (account: string, service: string, more: number) => {
    const counted = counts.get(`${account}/${service}`) ?? [{ account, service }, 0]
    counted[1] += more
    counts.set(`${account}/${service}`, counted)
  }
  for (const { name, limiters } of accounts) for (const service of Object.keys(limiters)) count(name, service, 0)
  for (const { account = '', service = '' } of events) count(account, service, 1)
  return counts.values()
}

function registerTokens(registry: Registry, { accounts }: ProxyState): void {
  const labels = ['account']
  const tokens = (figure: (state: TokenState) => number | null) =>
    function* (): Generator<Reading> {
      for (const { name: account, tokenState } of accounts()) {
        const value = figure(tokenState())
        if (value !== null) yield [{ account }, value]
      }
    }
  const gauge = (name: string, help: string, figure: (state: TokenState) => number | null) =>
    registerGauge(registry, { name, help, labels, read: tokens(figure) })
  const counter = (name: string, help: string, figure: (state: TokenState) => number) =>
    registerCounter(registry, { name, help, labels, read: tokens(figure) })
  gauge('token_usable', '1 if an access token is usable, else 0.', ({ usable }) => (usable ? 1 : 0))
  gauge('token_age_seconds', 'Time since the access token was fetched.', ({ fetchedAt }) => secondsSince(fetchedAt))
  gauge('token_remaining_seconds', 'Time until the access token expires.', ({ expiresAt }) => secondsUntil(expiresAt))
  counter(
    'token_refreshes_total',
    'Access token refreshes. A shared credential is counted once per account.',
    ({ refreshes }) => refreshes,
  )
  counter('token_refresh_failures_total', 'Access token refreshes that failed.', ({ failures }) => failures)
}

function registerFailedJobs(registry: Registry, { accounts, failedJobs }: ProxyState): void {
  const labels = ['account']
  const jobs = (figure: keyof FailedJobCounts) =>
    function* (): Generator<Reading> {
      if (!failedJobs) return
      for (const { name: account } of accounts()) yield [{ account }, failedJobs.countsOf(account)[figure]]
    }
  registerGauge(registry, {
    name: 'failed_jobs_waiting',
    help: 'Uploads of Orthanc that failed in an outage, and wait to be sent again.',
    labels,
    read: jobs('waiting'),
  })
  registerCounter(registry, {
    name: 'failed_jobs_started_again_total',
    help: 'New jobs in Orthanc for uploads that failed in an outage.',
    labels,
    read: jobs('started'),
  })
  registerCounter(registry, {
    name: 'failed_jobs_given_up_total',
    help: 'Uploads of Orthanc that failed in an outage, and are not sent again.',
    labels,
    read: jobs('givenUp'),
  })
}

/** By the wall clock, which may have been set back. */
function secondsSince(at: number | null): number | null {
  return at === null ? null : Math.max(0, (Date.now() - at) / 1000)
}

function secondsUntil(at: number | null): number | null {
  return at === null ? null : Math.max(0, (at - Date.now()) / 1000)
}

function registerProcess(registry: Registry, { version, connections, rejected, reloads }: ProxyState): void {
  registerGauge(registry, {
    name: 'build_info',
    help: 'Always 1, labelled with the version.',
    labels: ['version'],
    read: () => [[{ version }, 1]],
  })
  registerGauge(registry, {
    name: 'config_last_reload_successful',
    help: '1 if the configuration, as it was last read, is in effect, else 0.',
    read: () => [[{}, reloads.rejected.length === 0 ? 1 : 0]],
  })
  registerGauge(registry, {
    name: 'config_last_reload_success_timestamp_seconds',
    help: 'When the configuration was last read and could be used.',
    read: () => [[{}, reloads.succeededAt / 1000]],
  })
  registerGauge(registry, {
    name: 'upstream_connections',
    help: 'Open connections to Google and its token endpoints.',
    labels: ['transport', 'state'],
    read: () =>
      Object.entries(connections()).flatMap(([transport, { busy, idle }]): Reading[] => [
        [{ transport, state: 'busy' }, busy],
        [{ transport, state: 'idle' }, idle],
      ]),
  })
  registerCounter(registry, {
    name: 'rejected_total',
    help: 'Rejected requests and connections of unauthenticated clients.',
    labels: ['reason'],
    read: () => Object.entries(rejected.counts).map(([reason, count]) => [{ reason }, count]),
  })
}

/** Has no series without TLS. */
function registerCertificates(registry: Registry, { certificates }: ProxyState): void {
  registerGauge(registry, {
    name: 'tls_certificate_expiry_timestamp_seconds',
    help: "When the listeners' certificate, and the last of the authorities of clients' certificates, expire (Unix time).",
    labels: ['certificate'],
    read: () => {
      const { certificate = null, clientAuthorities = null } = certificates() ?? {}
      const ends = { Certificate: certificate, ClientAuthorities: clientAuthorities }
      return Object.entries(ends).flatMap(([key, end]): Reading[] =>
        end === null ? [] : [[{ certificate: key }, end / 1000]],
      )
    },
  })
}

/** Metrics of the audit trail, in their own registry: a reload may turn the trail on or off. */
export function registerAudit(registry: Registry, { audit }: Pick<ProxyState, 'audit'>): void {
  registerGauge(registry, {
    name: 'audit_available',
    help: '1 while all destinations of the audit trail are writable, else 0.',
    read: () => [[{}, audit()?.available ? 1 : 0]],
  })
  registerCounter(registry, {
    name: 'audit_records_lost_total',
    help: 'Lost records of the audit trail.',
    read: () => [[{}, audit()?.lost ?? 0]],
  })
}
