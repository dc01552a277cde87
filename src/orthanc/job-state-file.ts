import { open, rename, rm } from 'node:fs/promises'
import { readBoundedText } from '../bounded-files.ts'
import type { RememberedJob } from './failed-jobs.ts'
import { OrthancError } from './orthanc-error.ts'

/** What is remembered of one Orthanc's jobs. */
interface JobState {
  /** Its address. */
  readonly orthanc: string
  readonly jobs: readonly RememberedJob[]
}

/**
 * Remembers failed uploads that wait over a restart of the proxy: which jobs, not what they send,
 * which Orthanc knows itself.
 */
export class JobStateFile {
  readonly #path: string
  readonly #orthanc: string
  #written: string | null = null

  constructor(path: string, orthanc: string) {
    this.#path = path
    this.#orthanc = orthanc
  }

  /** Nothing if there is no file yet, or if it is about another Orthanc. */
  async read(): Promise<readonly RememberedJob[]> {
    try {
      const { orthanc, jobs } = jobStateIn(await readBoundedText(this.#path, { maxBytes }))
      return orthanc === this.#orthanc ? jobs : []
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return []
      throw unusable('read', codeOf(cause) ?? 'it is not what the proxy wrote', cause)
    }
  }

  /** Resolves when they are on the disk. */
  async write(jobs: readonly RememberedJob[]): Promise<void> {
    const text = `${JSON.stringify({ orthanc: this.#orthanc, jobs } satisfies JobState)}\n`
    if (text === this.#written) return
    const unfinished = `${this.#path}.new`
    try {
      const file = await open(unfinished, 'w', 0o600)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      // A crash leaves the one or the other, each whole.
      await rename(unfinished, this.#path)
      this.#written = text
    } catch (cause) {
      await rm(unfinished, { force: true }).catch(() => undefined)
      throw unusable('written', codeOf(cause) ?? 'unknown', cause)
    }
  }
}

/** Some 10,000 jobs. */
const maxBytes = 4 * 1024 * 1024

function jobStateIn(text: string): JobState {
  const { orthanc, jobs } = JSON.parse(text) as Partial<Record<keyof JobState, unknown>>
  if (typeof orthanc !== 'string' || !Array.isArray(jobs) || !jobs.every(isRemembered)) throw new SyntaxError()
  return { orthanc, jobs }
}

function isRemembered(job: unknown): job is RememberedJob {
  if (typeof job !== 'object' || job === null) return false
  const { id, replaces, account, store, completion, state, attempts, createdAt, failedAt } = job as Record<
    keyof RememberedJob,
    unknown
  >
  return (
    [id, account, store, completion].every((each) => typeof each === 'string') &&
    (replaces === null || typeof replaces === 'string') &&
    [attempts, createdAt, failedAt].every(Number.isFinite) &&
    (state === 'waiting' || state === 'starting' || state === 'started-again')
  )
}

function codeOf(cause: unknown): string | undefined {
  return (cause as { code?: string }).code
}

function unusable(what: 'read' | 'written', reason: string, cause: unknown): OrthancError {
  return new OrthancError(
    {
      code: 'state-file',
      problem: `ResubmitFailedJobs.StateFile can't be ${what}: ${reason}. No failed upload is sent again meanwhile.`,
      remedy:
        what === 'read'
          ? 'Let the proxy read the file; if its content is damaged, delete it: jobs that waited are then left as they are.'
          : "Let the proxy's user write to the file and create others in its folder, and make room on the disk.",
    },
    { cause },
  )
}
