import { inParallel } from '../concurrency/in-parallel.ts'
import type { FailedJob, FailedJobs, JobEvent, JobTarget, ResubmitLimits } from './failed-jobs.ts'
import type { JobStateFile, KnownJobs } from './job-state-file.ts'
import { OrthancError } from './orthanc-error.ts'
import type { JobDescription } from './orthanc-job.ts'
import type { OrthancRest } from './orthanc-rest.ts'
import { isSameUrl } from './server-entry.ts'
import { UnfinishedJobs } from './unfinished-jobs.ts'

export type ResubmissionEvent =
  | JobEvent
  /** Reported once, until Orthanc responds again. */
  | { readonly error: unknown }

interface ResubmitOptions {
  /** Is closed in the end. */
  readonly rest: Pick<
    OrthancRest,
    'dicomWebVersion' | 'serverEntries' | 'jobIds' | 'describeJob' | 'qido' | 'startStow' | 'close'
  >
  /** By the accounts' names. */
  readonly targets: ReadonlyMap<string, JobTarget>
  /** Accounts that Orthanc may search: only a search shows that one works again. */
  readonly searchable: ReadonlySet<string>
  readonly limits: ResubmitLimits
  readonly jobs: FailedJobs
  /** Remembers them over a restart; null: nothing does. */
  readonly stateFile: Pick<JobStateFile, 'read' | 'write'> | null
  /** What the process has told that this one takes the place of, in place of the file's content. */
  readonly inherited?: KnownJobs | null
  readonly onEvent: (event: ResubmissionEvent) => void
  /** Default {@link pollIntervalMs}. */
  readonly pollInterval?: number | undefined
}

type Targets = ReadonlyMap<string, JobTarget>

const pollIntervalMs = 5_000
/** For so long (ms) after a start, which may soon succeed: others wait for its end. */
const busyMs = 30_000
const busyPollIntervalMs = 1_000
/** Until the accounts are registered in Orthanc, or won't be. */
const maxRegistrationMs = 600_000
/** Accounts that are tried at the same time. */
const maxSearches = 8
/** A search that takes so long (ms) goes on in Orthanc, and keeps one of its threads. */
const silentMs = 10_000
/** As long as the proxy waits for Google's response to it. */
const silentPauseMs = 300_000
/** Since then jobs say which server they send to. */
const minPlugin = [1, 18] as const

/**
 * Looks after Orthanc's failed uploads until it is closed. Each is sent by a new job: what Orthanc
 * resubmits goes on where it had ended, and loses instances (ADR 0038).
 */
export function resubmitFailedJobs(options: ResubmitOptions): { close(): Promise<void> } {
  const loop = new ResubmissionLoop(options)
  const { jobs, targets, pollInterval = pollIntervalMs } = options
  jobs.retarget(targets, Date.now())
  let timer: NodeJS.Timeout | undefined
  let closed = false
  let polling = Promise.resolve()
  const poll = () => {
    polling = loop.poll().then(() => {
      const interval = loop.isBusy ? Math.min(busyPollIntervalMs, pollInterval) : pollInterval
      if (!closed) timer = setTimeout(poll, interval).unref()
    })
  }
  poll()
  return {
    async close() {
      closed = true
      clearTimeout(timer)
      await loop.end()
      await options.rest.close()
      await polling
    },
  }
}

class ResubmissionLoop {
  readonly #options: ResubmitOptions
  #ended = false
  #starting: Promise<void> = Promise.resolve()
  readonly #begunAt = performance.now()
  readonly #unfinished = new UnfinishedJobs()
  #lastStart = Number.NEGATIVE_INFINITY
  /** What was reported last. */
  #problem: string | null = null

  constructor(options: ResubmitOptions) {
    this.#options = options
  }

  /** Whether a job has just been started. */
  get isBusy(): boolean {
    return performance.now() < this.#lastStart + busyMs
  }

  /**
   * From here on no job is started. Resolves when it is known whether the last one was: otherwise
   * it could be started twice.
   */
  async end(): Promise<void> {
    this.#ended = true
    await this.#starting.catch(() => undefined)
  }

  async poll(): Promise<void> {
    try {
      await this.#restore()
      await this.#checkPlugin()
      const own = await this.#ownServers()
      await this.#lookAtJobs(own)
      await this.#remember()
      await this.#startAgain(own)
      await this.#remember()
      this.#problem = null
    } catch (error) {
      const problem = error instanceof OrthancError ? error.problem : String(error)
      if (problem !== this.#problem && !this.#ended) this.#options.onEvent({ error })
      this.#problem = problem
    }
  }

  async #restore(): Promise<void> {
    const { jobs, stateFile, inherited } = this.#options
    if (jobs.isRestored) return
    const { known, foreign } = inherited ?? (await stateFile?.read()) ?? nothing
    this.#report(jobs.restore(known, foreign))
    // From here on the file is no longer that of a process that ended in order.
    await this.#remember()
  }

  async #remember(): Promise<void> {
    const { jobs, stateFile } = this.#options
    await stateFile?.write({ jobs: jobs.remembered(), ended: null })
  }

  async #checkPlugin(): Promise<void> {
    const version = await this.#options.rest.dicomWebVersion()
    if (isNewEnough(version)) return
    throw new OrthancError({
      code: 'plugin-old',
      problem: `The jobs of Orthanc's DICOMweb plugin ${version} don't say where they send to, so none is sent again.`,
      remedy: `Update the plugin to ${minPlugin.join('.')} or newer, or remove ResubmitFailedJobs.`,
    })
  }

  /** Accounts whose server in Orthanc leads to this proxy: others may have the same name. */
  async #ownServers(): Promise<Targets> {
    const { rest, targets } = this.#options
    const entries = await rest.serverEntries()
    const own = [...targets].filter(
      ([name, { url }]) => Object.hasOwn(entries, name) && isSameUrl(entries[name]?.Url, url),
    )
    return new Map(own)
  }

  async #lookAtJobs(own: Targets): Promise<void> {
    const { rest, jobs, limits, targets } = this.#options
    const ids = await rest.jobIds()
    if (this.#ended) return
    this.#report(jobs.keep(new Set(ids)))
    this.#report(jobs.expire(targets, limits, Date.now()))
    const left = new Map<string, string[]>()
    const unsettled = ids.filter((id) => !jobs.isSettled(id))
    await this.#unfinished.each(unsettled, async (id) => {
      const job = this.#ended ? null : await rest.describeJob(id)
      const isReady = job && !this.#ended && !this.#isUnregistered(job, own)
      const event = isReady ? jobs.look(job, own, limits, Date.now()) : null
      if (event && 'left' in event) left.set(event.reason, [...(left.get(event.reason) ?? []), ...event.left])
      else if (event) this.#report([event])
      return job
    })
    this.#report([...left].map(([reason, ids]) => ({ left: ids, reason })))
  }

  /** Whether it failed at an account whose entry Orthanc lacks, or has otherwise, and may get soon. */
  #isUnregistered({ id, state, server }: JobDescription, own: Targets): boolean {
    if (state !== 'Failure' || server === null || own.has(server)) return false
    const { jobs, targets } = this.#options
    const isWritten = performance.now() > this.#begunAt + maxRegistrationMs
    return targets.has(server) && (jobs.has(id) || !isWritten)
  }

  /** One job of an account at a time: an account that has just begun to work is not overrun. */
  async #startAgain(own: Targets): Promise<void> {
    const { rest, jobs } = this.#options
    const due = jobs.due(Date.now()).filter(({ account }) => own.has(account))
    const working = new Set<string>()
    await inParallel(due, maxSearches, async ({ account }) => {
      if (!this.#ended && (await this.#works(account))) working.add(account)
    })
    for (const job of due.filter(({ account }) => working.has(account))) {
      if (this.#ended) return
      const seen = await rest.describeJob(job.id)
      if (this.#ended) return
      const taken = jobs.takenByOthers(job, seen)
      if (taken) {
        this.#report([taken])
        continue
      }
      this.#starting = this.#start(job)
      await this.#starting
    }
  }

  async #start(job: FailedJob & { readonly instances: readonly string[] }): Promise<void> {
    const { rest, jobs, limits } = this.#options
    jobs.starting(job)
    try {
      // A process that comes after a crash must not start it a second time.
      await this.#remember()
    } catch (error) {
      jobs.notStarted(job, Date.now() + limits.interval)
      throw error
    }
    try {
      const id = await rest.startStow(job.account, job.instances, -(job.attempts + 1))
      this.#lastStart = performance.now()
      const started = jobs.started(job, id)
      if (started) this.#report([started])
    } catch (error) {
      const status = error instanceof OrthancError ? error.status : 0
      if (status >= 400 && status < 500 && status !== 404) jobs.notStarted(job, Date.now() + limits.interval)
      else this.#report([jobs.startFailed(job, status)])
      throw error
    }
  }

  /** By the way that the job will take: Orthanc, the proxy, its token, and Google. */
  async #works(account: string): Promise<boolean> {
    const { rest, searchable, jobs, limits } = this.#options
    if (!searchable.has(account)) return true
    const begunAt = Date.now()
    try {
      await rest.qido(account, '/studies', { limit: '1' })
      return true
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error
      const isSilent = Date.now() - begunAt >= silentMs
      jobs.postpone(account, Date.now() + Math.max(limits.interval, isSilent ? silentPauseMs : 0))
      return false
    }
  }

  #report(events: readonly JobEvent[]): void {
    for (const event of events) this.#options.onEvent(event)
  }
}

const nothing: KnownJobs = { known: { jobs: [], ended: null }, foreign: [] }

/** Builds between releases call themselves "mainline". */
function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return version === 'mainline' || major > minPlugin[0] || (major === minPlugin[0] && minor >= minPlugin[1])
}
