import { type JobState, jobStateIn } from '../../orthanc/job-state-file.ts'
import type { FailedUpload } from '../../orthanc/upload-outcomes.ts'
import type { Predecessor } from '../../proxy/proxy.ts'
import {
  handoverVariable,
  type InheritedSockets,
  type PredecessorMessage,
  type SuccessorMessage,
} from './handover-messages.ts'

/** The process that this one takes the place of (docs/adr/0039). */
export interface RunningPredecessor extends Predecessor {
  readonly pid: number
  /** This process accepts connections. */
  serving(): void
  /** A successor of this process accepts connections in its place, or doesn't any more. */
  succeeded(serves: boolean): Promise<void>
  /** This process ends, and serves nobody. Resolves when the predecessor has been told. */
  failed(reason: string): Promise<void>
  /**
   * Resolves when the predecessor leaves Orthanc to this process, with what it knows of failed jobs
   * there, or has ended.
   */
  readonly released: Promise<JobState | null>
  /** Calls back for each upload that the predecessor has carried, and that failed. */
  onUploadFailed(callback: (upload: FailedUpload) => void): void
  /** Resolves when the predecessor has ended. */
  readonly ended: Promise<void>
}

/** The predecessor of this process; null if it has none. */
export function predecessorOf(process: NodeJS.Process): RunningPredecessor | null {
  const text = process.env[handoverVariable]
  delete process.env[handoverVariable]
  if (text === undefined) return null
  const sockets = JSON.parse(text) as InheritedSockets
  // A predecessor that dies, perhaps already, has left everything to this process.
  const ended = new Promise<void>((resolve) => {
    if (process.connected) process.once('disconnect', resolve)
    else resolve()
  })
  const told = <Kind extends PredecessorMessage['kind']>(kind: Kind) => {
    const { promise, resolve } = Promise.withResolvers<Extract<PredecessorMessage, { kind: Kind }>>()
    const onMessage = (message: PredecessorMessage) => {
      if (message.kind !== kind) return
      process.off('message', onMessage)
      resolve(message as Extract<PredecessorMessage, { kind: Kind }>)
    }
    process.on('message', onMessage)
    return Promise.race([promise, ended])
  }
  const serve = told('serve').then(() => undefined)
  const released = told('released').then((message) => (message?.jobs ? jobsOf(message.jobs) : null))
  const send = (message: SuccessorMessage) =>
    new Promise<void>((resolve) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => resolve())
      else resolve()
    })
  return {
    pid: process.ppid,
    sockets,
    async prepared(withoutToken) {
      await send({ kind: 'prepared', withoutToken: await withoutToken })
      await serve
    },
    serving: () => void send({ kind: 'serving' }),
    succeeded: (serves) => send({ kind: 'succeeded', serves }),
    async failed(reason) {
      await send({ kind: 'failed', reason })
      // The channel would keep this process from ending.
      if (process.connected) process.disconnect()
    },
    released,
    onUploadFailed(callback) {
      process.on('message', (message: PredecessorMessage) => {
        if (message.kind === 'upload-failed') callback(message.upload)
      })
    },
    ended,
  }
}

/** Null if it comes from a version that wrote it otherwise: the file may be of use then. */
function jobsOf(told: unknown): JobState | null {
  try {
    return jobStateIn(told)
  } catch {
    return null
  }
}

/** The same, unless this process is told to end before it serves: then `prepared` rejects. */
export function unlessEnded(predecessor: RunningPredecessor, ended: Promise<unknown>): Predecessor {
  const { sockets, prepared } = predecessor
  const interrupted = ended.then(() => Promise.reject(new EndedBeforeServing()))
  interrupted.catch(() => {})
  return { sockets, prepared: (withoutToken) => Promise.race([prepared(withoutToken), interrupted]) }
}

/** A signal came before the predecessor had left the addresses to this process. */
export class EndedBeforeServing extends Error {
  constructor() {
    super('This successor was told to end before it served.')
  }
}
