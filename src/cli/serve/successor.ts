import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { isAbsolute } from 'node:path'
import type { JobState } from '../../orthanc/job-state-file.ts'
import type { FailedUpload } from '../../orthanc/upload-outcomes.ts'
import type { ListeningSockets } from '../../proxy/listen.ts'
import { exitCode } from '../exit-code.ts'
import { handoverVariable, type PredecessorMessage, type SuccessorMessage } from './handover-messages.ts'

/** How long a successor may take for everything but the listeners, and then for these. */
const maxStartMs = 60_000
const maxListenMs = 10_000
/** How long one that serves nobody may take to end. */
const maxEndMs = 2_000

/** Of standard input, output and error. */
const standardStreams = ['ignore', 'inherit', 'inherit'] as const

/** A process that takes this one's place: the program as it is installed now, with the same arguments. */
export class Successor {
  readonly #child: ChildProcess
  readonly #exited: Promise<string>
  #end: string | null = null
  #stopped: Promise<void> | null = null
  #mayServe = false
  /** Another process accepts connections in its place. */
  #isSucceeded = false

  constructor(process: NodeJS.Process, sockets: ListeningSockets) {
    const { argv0, execPath, execArgv, argv, env } = process
    const inherited = [sockets.data, sockets.admin].filter((socket) => socket !== null)
    const asInherited = (socket: ListeningSockets['data']) =>
      socket && { ...socket, fd: standardStreams.length + inherited.indexOf(socket) }
    const sent: ListeningSockets = { data: asInherited(sockets.data), admin: asInherited(sockets.admin) }
    // Links in `argv0` lead to the Node of a newer version, those in `execPath` are followed already.
    const node = isAbsolute(argv0) ? argv0 : execPath
    this.#child = spawn(node, [...execArgv, ...argv.slice(1)], {
      // By its name: this process's own may have been replaced.
      cwd: process.cwd(),
      stdio: [...standardStreams, ...inherited.map(({ fd }) => fd), 'ipc'],
      env: { ...env, [handoverVariable]: JSON.stringify(sent) },
    })
    this.#child.on('message', (message: SuccessorMessage) => {
      if (message.kind === 'succeeded') this.#isSucceeded = message.serves
    })
    this.#exited = exitOf(this.#child)
    void this.#exited.then((words) => {
      this.#end = words
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /**
   * Resolves with the names of the accounts for which it has no token, as soon as everything but
   * its listeners is ready. Rejects with the reason if it fails.
   */
  async prepared(): Promise<readonly string[]> {
    const { withoutToken } = await this.#message('prepared', maxStartMs)
    return withoutToken
  }

  /** Has it accept connections; resolves when it does. */
  async serve(): Promise<void> {
    this.#mayServe = true
    this.#send({ kind: 'serve' })
    await this.#message('serving', maxListenMs)
  }

  /** Leaves Orthanc to it, with what is known of failed jobs there. */
  release(jobs: JobState | null): void {
    this.#send({ kind: 'released', jobs })
  }

  /** One that this process has carried. */
  uploadFailed(upload: FailedUpload): void {
    this.#send({ kind: 'upload-failed', upload })
  }

  /** Words on how it has ended; null while it, or a successor of its own, accepts connections. */
  get end(): string | null {
    // An earlier version doesn't say that it has been succeeded; it ends so only then.
    const isSucceeded = this.#isSucceeded || this.#child.exitCode === exitCode.ok
    return isSucceeded ? null : this.#end
  }

  /** Whether it has ended because it was told to. */
  get wasStopped(): boolean {
    const { exitCode: code } = this.#child
    return code === exitCode.interrupted || code === exitCode.terminated
  }

  /** Resolves with these words. */
  get lost(): Promise<string> {
    return this.#exited.then((words) => (this.end === null ? new Promise<never>(() => {}) : words))
  }

  /** Ends it. What it has begun to serve, it finishes: a second signal would cut that. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const timer = this.#mayServe ? undefined : setTimeout(() => this.#child.kill('SIGKILL'), maxEndMs)
    await this.#exited
    clearTimeout(timer)
  }

  #send(message: PredecessorMessage): void {
    // A failure is seen by its end.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  #message<Kind extends SuccessorMessage['kind']>(
    kind: Kind,
    timeoutMs: number,
  ): Promise<Extract<SuccessorMessage, { kind: Kind }>> {
    const { promise, resolve, reject } = Promise.withResolvers<Extract<SuccessorMessage, { kind: Kind }>>()
    const onMessage = (message: SuccessorMessage) => {
      if (message.kind === 'failed') reject(new Error(message.reason))
      if (message.kind === kind) resolve(message as Extract<SuccessorMessage, { kind: Kind }>)
    }
    const timer = setTimeout(() => reject(new Error(`It was not ready within ${timeoutMs / 1000} s.`)), timeoutMs)
    void this.#exited.then((words) => reject(new Error(words)))
    this.#child.on('message', onMessage)
    return promise.finally(() => {
      clearTimeout(timer)
      this.#child.off('message', onMessage)
    })
  }
}

/** Resolves, with words on how, when the process has ended, or could not be started. */
async function exitOf(child: ChildProcess): Promise<string> {
  try {
    const [code, signal] = await once(child, 'close')
    return `It ended ${signal ? `by ${signal}` : `with exit code ${code}`}; the lines before this one say why.`
  } catch (error) {
    return `It could not be started: ${(error as Error).message}`
  }
}
