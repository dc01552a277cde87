import type { RequestEvent } from '../observe/request-event.ts'
import type { RequestCounts } from '../observe/request-history.ts'
import { accountState } from './account-state.ts'
import { whyAllRefused } from './all-refused.ts'
import type { Account, FailedJob, ProxyStatus } from './proxy-status.ts'
import { isoTime, tokenReadiness } from './readiness.ts'
import type { Samples } from './samples.ts'

/** Requests in flight listed per account, the oldest first. */
const maxListed = 50

export type Status = ReturnType<typeof statusOf>

/** The status of each account: token, requests in flight and so far, failures. */
export function statusOf(proxy: ProxyStatus, samples: Samples, startedAt: number) {
  const { version, history, rejected, reloads } = proxy
  const accepting = proxy.accepting()
  const accounts = [...proxy.accounts()]
  const audit = proxy.audit()
  const certificates = proxy.certificates()
  const inFlight = Map.groupBy(history.inFlight, ({ account }) => account)
  return {
    version,
    startedAt: isoTime(startedAt),
    time: isoTime(Date.now()),
    accepting,
    allRefused: whyAllRefused({ accepting, audit, certificates, accounts }),
    audit: audit && { available: audit.available, lost: audit.lost },
    configuration: configurationStatus(reloads),
    tls: certificates && {
      certificateExpiresAt: isoTime(certificates.certificate),
      clientAuthoritiesExpireAt: isoTime(certificates.clientAuthorities),
    },
    rejected: rejected.counts,
    accounts: accounts.map((account) => accountStatus(account, proxy, samples, inFlight.get(account.name))),
  }
}

/** Problems listed of a configuration that was rejected. */
const maxProblems = 10

function configurationStatus({ succeededAt, rejected }: ProxyStatus['reloads']) {
  return {
    loadedAt: isoTime(succeededAt),
    rejected: rejected.map(({ source, at, problems }) => {
      return { source, time: isoTime(at), problems: problems.slice(0, maxProblems) }
    }),
  }
}

function accountStatus(
  account: Account,
  { history, failedJobs }: ProxyStatus,
  samples: Samples,
  inFlight: RequestEvent[] = [],
) {
  const { name, store, access, credential, tokenState, limiters } = account
  const token = tokenState()
  const { received, sent } = history.totals(name)
  const { requests, failures } = history.of(name)
  return {
    name,
    store,
    access,
    credential: credential.description,
    state: accountState(token, {
      samples: samples.upToNow(name),
      hasSucceeded: hasSucceeded(requests),
      now: Date.now(),
    }),
    token: { ...tokenReadiness(token), tokenFetchedAt: isoTime(token.fetchedAt) },
    limiters: limiterStats(limiters),
    inFlight: { count: inFlight.length, requests: inFlight.slice(0, maxListed).map(requestsInFlight) },
    bytes: { received, sent },
    failedJobs: failedJobsOf(failedJobs?.of(name) ?? []),
    requests,
    failures,
  }
}

function hasSucceeded(requests: RequestCounts): boolean {
  return Object.values(requests).some(({ succeeded }) => succeeded > 0)
}

function requestsInFlight(event: RequestEvent) {
  const { requestId, service, route, phase, attempts, age, expected, progress, batches } = event
  const { received, sent } = progress
  const milliseconds = Math.round(age)
  return { requestId, service, route, phase, attempts, milliseconds, received, expected: expected, sent, batches }
}

function failedJobsOf(jobs: readonly FailedJob[]) {
  const waiting = jobs.filter(({ state }) => state === 'waiting').length
  return {
    waiting,
    jobs: jobs.slice(0, maxListed).map(({ id, replaces, state, attempts, failedAt, nextAttemptAt, reason }) => {
      const times = { failedAt: isoTime(failedAt), nextAttemptAt: isoTime(nextAttemptAt) }
      return { id, replaces, state, attempts, ...times, reason }
    }),
  }
}

function limiterStats(limiters: Account['limiters']): Account['limiters'] {
  const each = Object.entries(limiters)
  return Object.fromEntries(
    each.map(([service, { inFlight, queued, limit }]) => [service, { inFlight, queued, limit }]),
  )
}
