import type { FailedJobs, JobEvent, ResubmitLimits } from './failed-jobs.ts'
import { OrthancError } from './orthanc-error.ts'
import type { OrthancRest } from './orthanc-rest.ts'
import { isSameUrl } from './server-entry.ts'

export type ResubmissionEvent =
  | JobEvent
  /** Reported once, until Orthanc responds again. */
  | { readonly error: unknown }

interface ResubmitOptions {
  /** Is closed in the end. */
  readonly rest: Pick<
    OrthancRest,
    'dicomWebVersion' | 'serverEntries' | 'jobIds' | 'describeJob' | 'qido' | 'resubmit' | 'close'
  >
  /** The Url of each account's entry in Orthanc, by its name. */
  readonly urls: ReadonlyMap<string, string>
  /** Accounts that Orthanc may search: only a search shows that one works again. */
  readonly searchable: ReadonlySet<string>
  readonly limits: ResubmitLimits
  readonly jobs: FailedJobs
  readonly onEvent: (event: ResubmissionEvent) => void
  /** Default {@link pollIntervalMs}. */
  readonly pollInterval?: number | undefined
}

const pollIntervalMs = 5_000
/** Since then jobs say which server they send to. */
const minPlugin = [1, 18] as const

/** Looks after Orthanc's failed uploads until it is closed. */
export function resubmitFailedJobs(options: ResubmitOptions): { close(): Promise<void> } {
  const loop = new ResubmissionLoop(options)
  const { pollInterval = pollIntervalMs } = options
  let timer: NodeJS.Timeout | undefined
  let closed = false
  let polling = Promise.resolve()
  const poll = () => {
    polling = loop.poll().then(() => {
      if (!closed) timer = setTimeout(poll, pollInterval).unref()
    })
  }
  poll()
  return {
    async close() {
      closed = true
      clearTimeout(timer)
      loop.end()
      await options.rest.close()
      await polling
    },
  }
}

class ResubmissionLoop {
  readonly #options: ResubmitOptions
  #ended = false
  /** What was reported last. */
  #problem: string | null = null

  constructor(options: ResubmitOptions) {
    this.#options = options
  }

  /** From here on nothing is reported or resubmitted. */
  end(): void {
    this.#ended = true
  }

  async poll(): Promise<void> {
    try {
      await this.#checkPlugin()
      const accounts = await this.#ownServers()
      await this.#lookAtJobs(accounts)
      await this.#resubmit(accounts)
      this.#problem = null
    } catch (error) {
      const problem = error instanceof OrthancError ? error.problem : String(error)
      if (problem !== this.#problem) this.#report({ error })
      this.#problem = problem
    }
  }

  async #checkPlugin(): Promise<void> {
    const version = await this.#options.rest.dicomWebVersion()
    if (isNewEnough(version)) return
    throw new OrthancError({
      code: 'plugin-old',
      problem: `The jobs of Orthanc's DICOMweb plugin ${version} don't say where they send to, so none is resubmitted.`,
      remedy: `Update the plugin to ${minPlugin.join('.')} or newer, or remove ResubmitFailedJobs.`,
    })
  }

  /** Accounts whose server in Orthanc leads to this proxy: others may have the same name. */
  async #ownServers(): Promise<ReadonlySet<string>> {
    const { rest, urls } = this.#options
    const entries = await rest.serverEntries()
    const own = [...urls].filter(([name, url]) => Object.hasOwn(entries, name) && isSameUrl(entries[name]?.Url, url))
    return new Set(own.map(([name]) => name))
  }

  async #lookAtJobs(accounts: ReadonlySet<string>): Promise<void> {
    const { rest, jobs, limits } = this.#options
    const ids = await rest.jobIds()
    jobs.keep(new Set(ids))
    const left = new Map<string, string[]>()
    for (const id of ids.filter((id) => !jobs.isSettled(id))) {
      const job = await rest.describeJob(id)
      const event = job && jobs.look(job, accounts, limits, Date.now())
      if (!event) continue
      if ('left' in event) left.set(event.reason, [...(left.get(event.reason) ?? []), ...event.left])
      else this.#report(event)
    }
    for (const [reason, ids] of left) this.#report({ left: ids, reason })
  }

  /** One job of an account at a time: an account that has just begun to work is not overrun. */
  async #resubmit(accounts: ReadonlySet<string>): Promise<void> {
    const { rest, jobs, limits } = this.#options
    for (const job of jobs.due(Date.now())) {
      if (this.#ended || !accounts.has(job.account)) continue
      if (!(await this.#works(job.account))) {
        jobs.postpone(job.account, Date.now() + limits.interval)
        continue
      }
      if (this.#ended) return
      // Noted first: what is not known to have failed counts as an attempt.
      const resubmitted = jobs.resubmitted(job)
      try {
        await rest.resubmit(job.id)
      } catch (error) {
        jobs.notTaken(resubmitted, Date.now() + limits.interval)
        throw error
      }
      this.#report({ job: resubmitted })
    }
  }

  /** By the way that the job will take: Orthanc, the proxy, its token, and Google. */
  async #works(account: string): Promise<boolean> {
    const { rest, searchable } = this.#options
    if (!searchable.has(account)) return true
    try {
      await rest.qido(account, '/studies', { limit: '1' })
      return true
    } catch (error) {
      if (error instanceof OrthancError && error.status !== 0) return false
      throw error
    }
  }

  #report(event: ResubmissionEvent): void {
    if (!this.#ended) this.#options.onEvent(event)
  }
}

/** Builds between releases call themselves "mainline". */
function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return version === 'mainline' || major > minPlugin[0] || (major === minPlugin[0] && minor >= minPlugin[1])
}
