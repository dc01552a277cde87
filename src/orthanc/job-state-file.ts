import { open, rename, rm } from 'node:fs/promises'
import { readBoundedText } from '../bounded-files.ts'
import type { EndedProcess, JobMemory, RememberedJob } from './failed-jobs.ts'
import { OrthancError } from './orthanc-error.ts'
import type { FailedUpload } from './upload-outcomes.ts'

/** What is remembered of one Orthanc's jobs. */
export interface JobState extends JobMemory {
  /** Its address. */
  readonly orthanc: string
}

/** What one Orthanc may take over of it. */
export interface KnownJobs {
  readonly known: JobMemory
  /** Jobs of another Orthanc. */
  readonly foreign: readonly string[]
}

const nothing: JobMemory = { jobs: [], ended: null }

export function knownJobs({ orthanc: of, ...memory }: JobState, orthanc: string): KnownJobs {
  if (of === orthanc) return { known: memory, foreign: [] }
  return { known: nothing, foreign: memory.jobs.map(({ id }) => id) }
}

/**
 * Remembers failed uploads that wait over a restart of the proxy: which jobs, not what they send,
 * which Orthanc knows itself.
 */
export class JobStateFile {
  readonly #path: string
  readonly #orthanc: string
  #written: string | null = null
  #writing: Promise<void> = Promise.resolve()

  constructor(path: string, orthanc: string) {
    this.#path = path
    this.#orthanc = orthanc
  }

  /** Nothing if there is no file yet. */
  async read(): Promise<KnownJobs> {
    try {
      const { jobs, ...state } = jobStateIn(JSON.parse(await readBoundedText(this.#path, { maxBytes })))
      // What they send, only Orthanc says: the file may be by somebody else.
      return knownJobs({ ...state, jobs: jobs.map((job) => ({ ...job, instances: [] })) }, this.#orthanc)
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return { known: nothing, foreign: [] }
      throw unusable('read', codeOf(cause) ?? 'it is not what the proxy wrote', cause)
    }
  }

  /** Resolves when they are on the disk. */
  write(memory: JobMemory): Promise<void> {
    // One after another: the end of the process does not wait for a disk that hangs.
    const written = this.#writing.then(() => this.#write(memory))
    this.#writing = written.catch(() => undefined)
    return written
  }

  async #write(memory: JobMemory): Promise<void> {
    const text = `${JSON.stringify({ orthanc: this.#orthanc, ...memory } satisfies JobState)}\n`
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

/** Twice as much as the largest that is written. */
const maxBytes = 64 * 1024 * 1024

/** Throws if it is not what a process of the proxy has left. */
export function jobStateIn(left: unknown): JobState {
  if (typeof left !== 'object' || left === null) throw new SyntaxError()
  const { orthanc, jobs, ended } = left as Partial<Record<keyof JobState, unknown>>
  if (typeof orthanc !== 'string' || !Array.isArray(jobs) || !jobs.every(isRemembered)) throw new SyntaxError()
  // The proxy's earlier versions wrote none.
  if (ended === null || ended === undefined) return { orthanc, jobs, ended: null }
  if (!isEndedProcess(ended)) throw new SyntaxError()
  return { orthanc, jobs, ended }
}

function isEndedProcess(ended: unknown): ended is EndedProcess {
  const { settled, uploads, stores } = ended as Partial<EndedProcess>
  const { since, accounts, failed } = uploads ?? {}
  return (
    isListOf(settled, isText) &&
    isListOf(valuesOf(stores), isText) &&
    Number.isFinite(since) &&
    isListOf(valuesOf(accounts), Number.isFinite) &&
    isListOf(failed, isFailedUpload)
  )
}

function valuesOf(table: unknown): unknown[] | null {
  return typeof table === 'object' && table !== null ? Object.values(table) : null
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isFailedUpload(upload: unknown): boolean {
  if (typeof upload !== 'object' || upload === null) return false
  const { account, startedAt, endedAt, failure } = upload as Partial<FailedUpload>
  return (
    typeof account === 'string' &&
    [startedAt, endedAt].every(Number.isFinite) &&
    (failure === 'outage' || failure === 'other')
  )
}

function isListOf(list: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(list) && list.every(isItem)
}

function isRemembered(job: unknown): job is RememberedJob {
  if (typeof job !== 'object' || job === null) return false
  const { id, replaces, account, store, completion, state, attempts, createdAt, failedAt, instances } = job as Record<
    keyof RememberedJob,
    unknown
  >
  return (
    [id, account, store, completion].every((each) => typeof each === 'string') &&
    (replaces === null || typeof replaces === 'string') &&
    [attempts, createdAt, failedAt].every(Number.isFinite) &&
    (state === 'waiting' || state === 'starting' || state === 'started-again') &&
    (instances === undefined || isListOf(instances, isText))
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
