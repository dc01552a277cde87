import { invocation } from '../invocation.ts'
import type { JobDescription } from './orthanc-job.ts'
import type { UploadHistory, UploadOutcomes } from './upload-outcomes.ts'

export interface ResubmitLimits {
  /** New jobs for one that failed. */
  readonly maxAttempts: number
  /** Milliseconds before the first one; twice as long before each further one. */
  readonly interval: number
  /** Milliseconds since the job was made. */
  readonly maxAge: number
}

/** Where an account leads to. */
export interface JobTarget {
  /** Of its entry in Orthanc. */
  readonly url: string
  /** Its DICOM store. */
  readonly store: string
}

export type JobState = 'waiting' | 'started-again' | 'succeeded' | 'given-up'

/** An upload of Orthanc that failed in an outage. */
export interface FailedJob {
  /** The job that failed last, or the new one that was started for it. */
  readonly id: string
  /** The job that this one was started for. */
  readonly replaces: string | null
  readonly account: string
  readonly state: JobState
  /** New jobs so far. */
  readonly attempts: number
  readonly failedAt: number
  readonly nextAttemptAt: number | null
  /** Why it was given up, and what to do. */
  readonly reason: string | null
}

interface KnownJob extends FailedJob {
  /** Orthanc's identifiers of what it sends. */
  readonly instances: readonly string[]
  readonly store: string
  /** The first one's. */
  readonly createdAt: number
  readonly completion: string
  /** From a former process: what it sends is not known until Orthanc says so. */
  readonly isRestored: boolean
  /** Orthanc was asked for the new job, and has not said which one it started. */
  readonly isStarting: boolean
}

/** What outlasts the process, of a job that waits or was started again. */
export interface RememberedJob
  extends Pick<
    KnownJob,
    'id' | 'replaces' | 'account' | 'store' | 'completion' | 'attempts' | 'createdAt' | 'failedAt'
  > {
  readonly state: 'waiting' | 'starting' | 'started-again'
  /** What it sends, for a successor: Orthanc may have forgotten it. */
  readonly instances?: readonly string[]
}

/** What one process leaves to the next. */
export interface JobMemory {
  readonly jobs: readonly RememberedJob[]
  /** Null after a crash. */
  readonly ended: EndedProcess | null
}

/** What has to be complete, and so is known of a process that ended in order only. */
export interface EndedProcess {
  /** Jobs that failed and were looked at: nothing more is to be learned about them. */
  readonly settled: readonly string[]
  readonly uploads: UploadHistory
  /** Where the accounts led to. */
  readonly stores: Readonly<Record<string, string>>
}

/** Of an account, since the start of the proxy. */
export interface JobCounts {
  readonly waiting: number
  /** New jobs. */
  readonly started: number
  readonly givenUp: number
}

export type JobEvent =
  | { readonly job: FailedJob }
  /** Jobs that failed, and are left as they are. */
  | { readonly left: readonly string[]; readonly reason: string }

/** A job that has ended so recently: its upload may not be recorded yet. */
const settleMs = 5_000
const maxSpacing = 32
/** Identifiers of all waiting jobs: some 15 MB. */
const maxInstances = 200_000
/** Of all accounts: some 10 MB in `StateFile`. */
const maxWaiting = 20_000
/** Of an account, kept for the status page. */
const maxEnded = 20

/** Orthanc's words for an upload's failure that may be an outage: no connection, 5xx, 429. */
const outageWords: ReadonlySet<unknown> = new Set(['Error in the network protocol', 'Parameter out of range'])

const compare = `"${invocation} compare" finds what is missing at Google, and prints the commands that send it`

const causes = {
  other: `its upload was refused or cut off, or not every instance was stored: the account's failures on the status page and in the log say why; ${compare}`,
  unknown: `no outage that the proxy has seen explains it: it failed before the proxy started, elsewhere, or for another reason; ${compare}`,
} as const

const reasons = {
  refusedAgain: `the new job's upload was refused or cut off, or not every instance was stored: the account's failures on the status page and in the log say why. Google may reject instances that it has already, from the attempt before the outage; ${compare}`,
  old: `it is older than MaxAge; ${compare}`,
  tooMuch: `too many jobs or instances wait already; ${compare}`,
  incomplete: `Orthanc does not say which instances it sent; ${compare}`,
  byOthers: `somebody has resubmitted it in Orthanc, which may send only a part of it, and then says Success; ${compare}`,
  forgotten: `Orthanc has forgotten the new job before its end was seen: it was restarted, or its JobsHistorySize is too small; ${compare}`,
  forgottenWaiting: `Orthanc has forgotten it while the proxy did not run, and with it what it was to send: it was restarted, or its JobsHistorySize is too small; ${compare}`,
  unknownStart: `it is not known whether Orthanc has started a new job: its response did not come. Look in its list of jobs; ${compare}`,
  deleted: `Orthanc no longer has all of its instances (404): somebody has deleted them, or replaced the study. Send what is left of it yourself; ${compare}`,
  paused: `somebody has paused it in Orthanc: resume it there; ${compare}`,
  foreign: `StateFile is about another Orthanc: DicomWebProxy.Orthanc.Url has changed while the proxy did not run; ${compare}`,
  elsewhere: `the account is gone, has another DICOM store now, or its entry in Orthanc leads elsewhere; ${compare}`,
} as const

/** What is known of jobs. Outlives a reload; of the process, what {@link remembered} says. */
export class FailedJobs {
  readonly #outcomes: UploadOutcomes
  readonly #jobs = new Map<string, KnownJob>()
  /** Nothing more is to be learned about them. */
  readonly #settled = new Map<string, 'Success' | 'Failure'>()
  /** Where accounts led to last. */
  readonly #stores = new Map<string, string>()
  readonly #counts = new Map<string, { started: number; givenUp: number }>()
  /** Whether what a former process knew is there. */
  isRestored = false

  constructor(outcomes: UploadOutcomes) {
    this.#outcomes = outcomes
  }

  /** Those of an account, those that wait first. */
  of(account: string): readonly FailedJob[] {
    const jobs = [...this.#jobs.values()].filter((job) => job.account === account)
    return jobs.sort((one, other) => Number(other.state === 'waiting') - Number(one.state === 'waiting'))
  }

  countsOf(account: string): JobCounts {
    const waiting = this.of(account).filter(({ state }) => state === 'waiting').length
    return { waiting, ...(this.#counts.get(account) ?? { started: 0, givenUp: 0 }) }
  }

  #count(account: string, what: 'started' | 'givenUp'): void {
    const counts = this.#counts.get(account) ?? { started: 0, givenUp: 0 }
    counts[what] += 1
    this.#counts.set(account, counts)
  }

  /** What was known of uploads to another store than the account has now says nothing any more. */
  retarget(targets: ReadonlyMap<string, JobTarget>, now: number): void {
    for (const [account, { store }] of targets) {
      if ((this.#stores.get(account) ?? store) !== store) this.#outcomes.forget(account, now)
      this.#stores.set(account, store)
    }
  }

  /** For the process that comes after, when no upload can end in this one any more. */
  memory(): JobMemory {
    const settled = [...this.#settled].flatMap(([id, state]) => (state === 'Failure' ? [id] : []))
    const ended = { settled, uploads: this.#outcomes.history(), stores: Object.fromEntries(this.#stores) }
    return { jobs: this.remembered(), ended }
  }

  /** The same for a successor, which need not ask Orthanc what those that wait send. */
  handedMemory(): JobMemory {
    const { jobs, ended } = this.memory()
    const withInstances = (job: RememberedJob) => ({ ...job, instances: this.#jobs.get(job.id)?.instances ?? [] })
    return { jobs: jobs.map((job) => (job.state === 'waiting' ? withInstances(job) : job)), ended }
  }

  /** What a predecessor knew, for a successor, with what this process has seen of uploads. */
  passedOn({ jobs, ended }: JobMemory): JobMemory {
    if (!ended) return { jobs, ended }
    this.#outcomes.restore(ended.uploads)
    return { jobs, ended: { ...ended, uploads: this.#outcomes.history() } }
  }

  remembered(): RememberedJob[] {
    return [...this.#jobs.values()].flatMap((job) => {
      const { id, replaces, account, store, completion, attempts, createdAt, failedAt, isStarting } = job
      if (job.state !== 'waiting' && job.state !== 'started-again') return []
      const state = isStarting ? 'starting' : job.state
      return { id, replaces, account, store, completion, state, attempts, createdAt, failedAt }
    })
  }

  /**
   * Takes over what a former process knew; what became of it, Orthanc will say.
   *
   * @param foreign jobs of another Orthanc
   */
  restore({ jobs, ended }: JobMemory, foreign: readonly string[] = [], now = Date.now()): readonly JobEvent[] {
    this.isRestored = true
    if (ended) this.#restoreEnded(ended, now)
    const left = foreign.length > 0 ? [{ left: foreign, reason: reasons.foreign }] : []
    return [...left, ...this.#restoreJobs(jobs)]
  }

  #restoreEnded({ settled, uploads, stores }: EndedProcess, now: number): void {
    for (const id of settled) this.#settled.set(id, 'Failure')
    this.#outcomes.restore(uploads)
    for (const [account, store] of Object.entries(stores))
      if (this.#stores.get(account) !== store) this.#outcomes.forget(account, now)
  }

  #restoreJobs(jobs: readonly RememberedJob[]): readonly JobEvent[] {
    return jobs.flatMap(({ state, instances = [], ...job }) => {
      // What became of it is still to be seen.
      if (instances.length === 0) this.#settled.delete(job.id)
      const restored = { ...job, instances, nextAttemptAt: null, reason: null, isStarting: false }
      if (state === 'waiting') this.#set({ ...restored, state, isRestored: instances.length === 0 })
      else this.#set({ ...restored, state: 'started-again', isRestored: false })
      return state === 'starting' ? this.giveUp({ ...restored, state: 'started-again' }, reasons.unknownStart) : []
    })
  }

  /** Forgets all; returns those that waited. */
  clear(): readonly FailedJob[] {
    const waiting = [...this.#jobs.values()].filter(({ state }) => state === 'waiting')
    this.#jobs.clear()
    this.#settled.clear()
    this.isRestored = false
    return waiting
  }

  /**
   * Orthanc knows only these any more. What waits needs no Orthanc that remembers it, unless the
   * proxy has been restarted.
   */
  keep(ids: ReadonlySet<string>): readonly JobEvent[] {
    for (const id of this.#settled.keys()) if (!ids.has(id)) this.#settled.delete(id)
    const lost = [...this.#jobs.values()].filter(({ id }) => !ids.has(id))
    return lost.flatMap((job) => {
      if (job.isRestored) return this.giveUp(job, reasons.forgottenWaiting)
      return job.state === 'started-again' ? this.giveUp(job, reasons.forgotten) : []
    })
  }

  /** Whether it is one that waits or was given up, or a new one. */
  has(id: string): boolean {
    return this.#jobs.has(id)
  }

  isSettled(id: string): boolean {
    return this.#settled.has(id)
  }

  /** Takes note of what Orthanc says of a job; returns what there is to report, if anything. */
  look(
    job: JobDescription,
    targets: ReadonlyMap<string, JobTarget>,
    limits: ResubmitLimits,
    now: number,
  ): JobEvent | null {
    const { id, state, endedAt, server, type } = job
    const known = this.#jobs.get(id)
    if (known?.state === 'started-again' && state === 'Paused') return this.giveUp(known, reasons.paused)
    if (state !== 'Success' && state !== 'Failure') return null
    if (known?.isRestored && (state === 'Success' || job.completion !== known.completion)) {
      return this.giveUp(known, reasons.byOthers)
    }
    if (state === 'Success') {
      this.#settled.set(id, state)
      return known ? this.#end(known, 'succeeded', null) : null
    }
    if (endedAt === null || endedAt > now - settleMs) return null
    this.#settled.set(id, state)
    const target = server === null ? undefined : targets.get(server)
    if (known && (server !== known.account || target?.store !== known.store))
      return this.giveUp(known, reasons.elsewhere)
    if (type !== 'DicomWebStowClient' || server === null || !target) return null
    return this.#failed(job, { account: server, store: target.store, endedAt }, { known, limits, now })
  }

  #failed(
    job: JobDescription,
    { account, store, endedAt }: { readonly account: string; readonly store: string; readonly endedAt: number },
    { known, limits, now }: { known: KnownJob | undefined; limits: ResubmitLimits; now: number },
  ): JobEvent {
    const { id, instances, completion } = job
    // A new job's priority tells how many there were, also after a restart of the proxy.
    const attempts = Math.max(known?.attempts ?? 0, -job.priority, 0)
    const createdAt = known?.createdAt ?? job.createdAt
    const isKnownOutage = known?.isRestored ?? false
    const run = { account, endedAt, attempts, isKnownOutage, limits, now }
    const reason = this.#reasonAgainst({ ...job, createdAt }, run)
    if (reason !== null) return known ? this.giveUp({ ...known, failedAt: endedAt }, reason) : { left: [id], reason }
    const nextAttemptAt = endedAt + limits.interval * Math.min(2 ** attempts, maxSpacing)
    const replaces = known?.replaces ?? null
    const failed = { id, replaces, account, store, attempts, createdAt, completion, failedAt: endedAt, reason: null }
    const waiting = { ...failed, state: 'waiting', isRestored: false, isStarting: false, nextAttemptAt } as const
    return { job: this.#set({ ...waiting, instances: instances ?? [] }) }
  }

  /** Why no new job must be started for one; null if it may. */
  #reasonAgainst(
    job: JobDescription,
    run: {
      account: string
      endedAt: number
      attempts: number
      isKnownOutage: boolean
      limits: ResubmitLimits
      now: number
    },
  ): string | null {
    const { attempts, limits } = run
    const cause = run.isKnownOutage ? 'outage' : this.#causeOf(job, run)
    if (cause !== 'outage') return cause === 'other' && attempts > 0 ? reasons.refusedAgain : causes[cause]
    if (attempts >= limits.maxAttempts)
      return `it failed in outages after ${attempts} new jobs (MaxAttempts); ${compare}`
    if (!(job.createdAt >= run.now - limits.maxAge)) return reasons.old
    if (job.instances === null) return reasons.incomplete
    return this.#isFull(job.id, job.instances.length) ? reasons.tooMuch : null
  }

  #causeOf({ words, runtime, uncertainty }: JobDescription, run: { account: string; endedAt: number }) {
    if (!outageWords.has(words)) return 'other'
    const { account, endedAt } = run
    return this.#outcomes.causeOf(account, { startedAt: endedAt - runtime, endedAt, uncertainty })
  }

  /** Whether no job with so many instances may wait beside the others. */
  #isFull(id: string, more: number): boolean {
    const waiting = [...this.#jobs.values()].filter((job) => job.state === 'waiting' && job.id !== id)
    const instances = waiting.reduce((sum, { instances }) => sum + instances.length, more)
    return waiting.length >= maxWaiting || instances > maxInstances
  }

  /** Gives up those that have waited too long, or that don't lead where they did. */
  expire(targets: ReadonlyMap<string, JobTarget>, { maxAge }: ResubmitLimits, now: number): readonly JobEvent[] {
    return [...this.#jobs.values()]
      .filter(({ state }) => state === 'waiting')
      .flatMap((job) => {
        if (targets.get(job.account)?.store !== job.store) return [this.giveUp(job, reasons.elsewhere)]
        return job.createdAt >= now - maxAge ? [] : [this.giveUp(job, reasons.old)]
      })
  }

  /** The next job of each account that is due; none of an account with one in flight. */
  due(now: number): readonly (FailedJob & { readonly instances: readonly string[] })[] {
    const jobs = [...this.#jobs.values()]
    const busy = new Set(jobs.filter(({ state }) => state === 'started-again').map(({ account }) => account))
    const due = jobs.filter(
      ({ state, nextAttemptAt, isRestored }) => state === 'waiting' && !isRestored && (nextAttemptAt ?? now) <= now,
    )
    const first = new Map(due.sort((one, other) => other.failedAt - one.failedAt).map((job) => [job.account, job]))
    return [...first.values()].filter(({ account }) => !busy.has(account))
  }

  /** Whether somebody else has begun the job again, by what Orthanc says of it now. */
  takenByOthers({ id }: FailedJob, now: JobDescription | null): JobEvent | null {
    const known = this.#jobs.get(id)
    if (!known || now === null) return null
    const isSame = now.state === 'Failure' && now.completion === known.completion
    return isSame ? null : this.giveUp(known, reasons.byOthers)
  }

  /** From before Orthanc is asked until it has said which job it started: never asked twice. */
  starting(job: FailedJob): void {
    this.#change(job, { state: 'started-again', attempts: job.attempts + 1, nextAttemptAt: null, isStarting: true })
  }

  started({ id }: FailedJob, newId: string): JobEvent | null {
    const known = this.#jobs.get(id)
    if (!known) return null
    this.#jobs.delete(id)
    this.#count(known.account, 'started')
    return { job: this.#set({ ...known, id: newId, replaces: id, instances: [], isStarting: false }) }
  }

  /** Orthanc has refused to start a new one, or was not asked. */
  notStarted(job: FailedJob, until: number): void {
    this.#change(job, { state: 'waiting', attempts: job.attempts, nextAttemptAt: until, isStarting: false })
  }

  /** Orthanc has not said that it started one, and nobody can ask it again. */
  startFailed(job: FailedJob, status: number): JobEvent {
    return this.giveUp(job, status === 404 ? reasons.deleted : reasons.unknownStart)
  }

  /** The account does not work yet. */
  postpone(account: string, until: number): void {
    for (const job of [...this.#jobs.values()])
      if (job.account === account && job.state === 'waiting')
        this.#set({ ...job, nextAttemptAt: Math.max(job.nextAttemptAt ?? 0, until) })
  }

  giveUp(job: FailedJob, reason: string): JobEvent {
    this.#count(job.account, 'givenUp')
    return this.#end(job, 'given-up', reason)
  }

  #end(job: FailedJob, state: 'succeeded' | 'given-up', reason: string | null): JobEvent {
    const ended = { state, reason, nextAttemptAt: null }
    this.#settled.set(job.id, state === 'succeeded' ? 'Success' : 'Failure')
    this.#change(job, { ...ended, failedAt: job.failedAt, instances: [], isRestored: false })
    const others = this.of(job.account).filter((each) => each.state === 'succeeded' || each.state === 'given-up')
    for (const { id } of others.slice(0, -maxEnded)) this.#jobs.delete(id)
    return { job: { ...job, ...ended } }
  }

  #change({ id }: FailedJob, change: Partial<KnownJob>): void {
    const known = this.#jobs.get(id)
    if (known) this.#set({ ...known, ...change })
  }

  #set(job: KnownJob): KnownJob {
    // As the last one, so that the oldest that have ended go first.
    this.#jobs.delete(job.id)
    this.#jobs.set(job.id, job)
    return job
  }
}
