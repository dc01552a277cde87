import type { JobDescription } from './orthanc-job.ts'
import type { UploadOutcomes } from './upload-outcomes.ts'

export interface ResubmitLimits {
  /** Resubmissions of one job. */
  readonly maxAttempts: number
  /** Milliseconds before the first one; twice as long before each further one. */
  readonly interval: number
  /** Milliseconds since the job was made. Orthanc knows that, also if the proxy was restarted. */
  readonly maxAge: number
}

export type JobState = 'waiting' | 'resubmitted' | 'succeeded' | 'given-up'

/** A job of Orthanc that failed in an outage. */
export interface FailedJob {
  readonly id: string
  readonly account: string
  readonly state: JobState
  readonly attempts: number
  readonly failedAt: number
  readonly nextAttemptAt: number | null
}

export type JobEvent =
  | { readonly job: FailedJob; readonly reason?: string }
  /** Jobs that failed, and are left as they are. */
  | { readonly left: readonly string[]; readonly reason: string }

/** A job that has ended so recently: its upload may not be recorded yet. */
const settleMs = 5_000
const maxSpacing = 32

/** Orthanc's words for an upload's failure that may be an outage: no connection, 5xx, 429. */
const outageWords: ReadonlySet<unknown> = new Set(['Error in the network protocol', 'Parameter out of range'])

const reasons = {
  other: 'its upload was refused, or cut by Orthanc',
  unknown:
    'no outage that the proxy has seen explains it: it failed before the proxy started, elsewhere, or for another reason',
} as const

/** What is known of jobs. Outlives a reload, not the process. */
export class FailedJobs {
  readonly #outcomes: UploadOutcomes
  readonly #jobs = new Map<string, FailedJob>()
  /** Nothing more is to be done about them. */
  readonly #settled = new Set<string>()
  /** Of jobs: once Orthanc has resubmitted one, it may not say the server any more. */
  readonly #servers = new Map<string, string>()
  /** When their last run ended, in Orthanc's words. */
  readonly #completions = new Map<string, string>()

  constructor(outcomes: UploadOutcomes) {
    this.#outcomes = outcomes
  }

  /** The last of an account, those that wait first. */
  of(account: string): readonly FailedJob[] {
    const jobs = [...this.#jobs.values()].filter((job) => job.account === account)
    return jobs.sort((one, other) => Number(other.state === 'waiting') - Number(one.state === 'waiting'))
  }

  /** Orthanc knows only these any more. */
  keep(ids: ReadonlySet<string>): void {
    for (const known of [this.#jobs, this.#settled, this.#servers, this.#completions])
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
  }

  isSettled(id: string): boolean {
    return this.#settled.has(id)
  }

  /** Takes note of what Orthanc says of a job; returns what there is to report, if anything. */
  look(job: JobDescription, urls: ReadonlySet<string>, limits: ResubmitLimits, now: number): JobEvent | null {
    const { id, state, endedAt } = job
    if (job.server !== null) this.#servers.set(id, job.server)
    if (state !== 'Success' && state !== 'Failure') return this.#underWay(id)
    const account = this.#servers.get(id)
    if (job.type !== 'DicomWebStowClient' || account === undefined || !urls.has(account)) return this.#settle(id)
    const known = this.#jobs.get(id)
    if (state === 'Success') {
      this.#settle(id)
      return known ? { job: this.#set({ ...known, state: 'succeeded', nextAttemptAt: null }) } : null
    }
    if (endedAt === null || endedAt > now - settleMs) return null
    // Not resubmitted yet, or Orthanc has not begun.
    if (this.#completions.get(id) === job.completion) return null
    this.#completions.set(id, job.completion)
    return this.#failed({ ...job, account, endedAt }, known?.attempts ?? 0, limits, now)
  }

  /** Somebody may have resubmitted a job that waits. */
  #underWay(id: string): null {
    const known = this.#jobs.get(id)
    if (known?.state === 'waiting') this.#set({ ...known, state: 'resubmitted', nextAttemptAt: null })
    return null
  }

  #failed(
    job: JobDescription & { readonly account: string; readonly endedAt: number },
    attempts: number,
    { maxAttempts, maxAge, interval }: ResubmitLimits,
    now: number,
  ): JobEvent {
    const { id, account, endedAt } = job
    const failed = { id, account, attempts, failedAt: endedAt, nextAttemptAt: null }
    const reason = this.#reasonAgainst(job, attempts, maxAttempts, now - maxAge)
    if (reason === null) {
      const nextAttemptAt = endedAt + interval * Math.min(2 ** attempts, maxSpacing)
      return { job: this.#set({ ...failed, state: 'waiting', nextAttemptAt }) }
    }
    this.#settle(id)
    return attempts > 0 ? { job: this.#set({ ...failed, state: 'given-up' }), reason } : { left: [id], reason }
  }

  /** Why a job must not be resubmitted; null if it may. */
  #reasonAgainst(
    job: JobDescription & { readonly account: string; readonly endedAt: number },
    attempts: number,
    maxAttempts: number,
    oldest: number,
  ): string | null {
    const { account, endedAt, runtime } = job
    const run = { startedAt: endedAt - runtime, endedAt }
    const cause = outageWords.has(job.words) ? this.#outcomes.causeOf(account, run) : 'other'
    if (cause !== 'outage') return reasons[cause]
    if (attempts >= maxAttempts) return `it failed in outages after ${attempts} resubmissions, too (MaxAttempts)`
    return job.createdAt < oldest ? 'it is older than MaxAge' : null
  }

  /** The next job of each account that is due; none of an account with one under way. */
  due(now: number): readonly FailedJob[] {
    const jobs = [...this.#jobs.values()]
    const busy = new Set(jobs.filter(({ state }) => state === 'resubmitted').map(({ account }) => account))
    const due = jobs.filter(({ state, nextAttemptAt }) => state === 'waiting' && (nextAttemptAt ?? now) <= now)
    const first = new Map(due.sort((one, other) => other.failedAt - one.failedAt).map((job) => [job.account, job]))
    return [...first.values()].filter(({ account }) => !busy.has(account))
  }

  resubmitted(job: FailedJob): FailedJob {
    return this.#set({ ...job, state: 'resubmitted', attempts: job.attempts + 1, nextAttemptAt: null })
  }

  /** Orthanc did not take it. */
  notTaken(job: FailedJob, until: number): void {
    this.#set({ ...job, state: 'waiting', nextAttemptAt: until })
  }

  /** The account does not work yet. */
  postpone(account: string, until: number): void {
    for (const job of this.#jobs.values())
      if (job.account === account && job.state === 'waiting')
        this.#set({ ...job, nextAttemptAt: Math.max(job.nextAttemptAt ?? 0, until) })
  }

  #set(job: FailedJob): FailedJob {
    this.#jobs.set(job.id, job)
    return job
  }

  #settle(id: string): null {
    this.#settled.add(id)
    return null
  }
}
