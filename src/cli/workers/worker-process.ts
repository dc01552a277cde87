import cluster, { type Worker } from 'node:cluster'
import { CommandFailure, exitCode } from '../exit-code.ts'
import { closeUnaccepted } from './handed-connections.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { relayLines } from './relay-lines.ts'

/** How a process has ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: string | null
}

interface Parts {
  /** Where its log lines go. */
  readonly log: { write(lines: string): unknown }
  readonly onMessage: (message: FromWorker) => void
}

/** One process that serves requests, and what it has said of itself. */
export class WorkerProcess {
  readonly #worker: Worker
  readonly startedAt = performance.now()
  /** Resolves when it has ended, and its last line and message have been read. */
  readonly ended: Promise<Ended>
  /** Root of the data listener; null until it serves. */
  url: string | null = null
  /** Number of the last configuration that it was given, and of the one that it serves by; 0 for none. */
  given = 0
  has = 0
  /** Questions since its last answer, and the number of the last one that it answered. */
  unanswered = 0
  answered = 0
  /** Connections that it had to cut at its end; null as long as it has not come to it. */
  cut: number | null = null
  /** Why it can't serve, in words for users; null as long as it has not said so. */
  failure: CommandFailure | null = null

  constructor({ log, onMessage }: Parts) {
    // By this program's own options of Node. Standard error is for what is said before there is a log.
    cluster.setupPrimary({ args: ['worker'], serialization: 'advanced', stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    this.#worker = cluster.fork()
    this.#worker.on('message', (message: FromWorker) => {
      this.#note(message)
      onMessage(message)
    })
    // Of what can't be said to one that just ends, nobody needs to hear.
    this.#worker.on('error', ({ message }) => {
      if (this.pid === undefined) this.failure = new CommandFailure(`${notStarted}: ${message}.`, exitCode.failure)
    })
    const { process } = this.#worker
    // Where there is no room for another process, it has nothing at all.
    if (this.pid !== undefined) closeUnaccepted(process)
    if (process.stdout) relayLines(process.stdout, log)
    // `disconnect` would not come where a connection was just being handed over; and events.once would fail with any `error`.
    this.ended = new Promise((resolve) => process.once('close', (code, signal) => resolve({ code, signal })))
  }

  get pid(): number | undefined {
    return this.#worker.process.pid
  }

  get serves(): boolean {
    return this.url !== null && this.cut === null
  }

  send(message: ToWorker): void {
    if (message.kind === 'configuration') this.given = message.configuration.number
    if (this.#worker.isConnected()) this.#worker.send(message)
  }

  /** Ends it at once, whatever it does. */
  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }

  /** Why it ended before it served, in words for users. */
  startFailure({ code, signal }: Ended): CommandFailure {
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`
    return this.failure ?? new CommandFailure(`Can't start: a worker process ended ${how}.`, exitCode.failure)
  }

  #note(message: FromWorker): void {
    if (message.kind === 'failure') this.failure = new CommandFailure(message.message, message.exitCode)
    else if (message.kind === 'serving') this.url = message.url
    else if (message.kind === 'configured') this.has = message.number
    else if (message.kind === 'ended') this.cut = message.cut
    else if (message.kind === 'report') {
      this.unanswered = 0
      this.answered = Math.max(this.answered, message.number)
    }
  }
}

const notStarted = "Can't start a worker process"
