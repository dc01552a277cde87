import { setTimeout as delay } from 'node:timers/promises'
import { Backoff } from '../../credentials/backoff.ts'
import type { Logger } from '../../observe/logger.ts'
import { CommandFailure, exitCode } from '../exit-code.ts'
import type { Configuration, FromWorker, ToWorker } from './messages.ts'
import { type Ended, WorkerProcess } from './worker-process.ts'

/** How often (ms) the workers are asked how they fare. */
const look = 1_000
/** Looks in a row after which a worker that says nothing is taken for one that hangs. */
const patience = 30
/** Milliseconds that all of them may take to start. */
const startLimit = 120_000
/** Milliseconds that their reports are waited for where somebody waits: many a probe gives up after a second. */
const reportLimit = 500
/** Milliseconds in which a worker takes a new configuration, or is started anew with it. */
const configureLimit = 10_000
/** Milliseconds that a worker may need beyond the grace for its last lines and records. */
const farewell = 7_000
/** Milliseconds after which a worker that ends has run well before. */
const settled = 60_000

interface Parts {
  readonly count: number
  readonly logger: Logger
  /** Where the workers' log lines go. */
  readonly log: { write(lines: string): unknown }
  /** What a worker is to serve by now. */
  configurationOf(worker: number): Configuration
  readonly onMessage: (worker: number, message: FromWorker) => void
  /** One has ended. Returns how many requests were under way there, as far as is known. */
  readonly onEnd: (worker: number) => number
}

/** The worker processes: started, and started anew when they have ended; asked how they fare, and told what is new. */
export class Fleet {
  readonly #parts: Parts
  readonly #processes = new Map<number, WorkerProcess>()
  readonly #waiting = new Set<() => void>()
  readonly #ending = new AbortController()
  #looking: NodeJS.Timeout | null = null
  #failure: CommandFailure | null = null
  #question = 0
  #cut = 0
  /** How often a worker was started anew. */
  restarts = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Workers that serve now. */
  get serving(): number {
    return [...this.#processes.values()].filter(({ serves }) => serves).length
  }

  /** Resolves with the root of the data listener when all of them serve. Rejects with a CommandFailure if one can't. */
  async start(): Promise<string> {
    const { count } = this.#parts
    for (let worker = 1; worker <= count; worker += 1) this.#start(worker, new Backoff())
    await this.#until(() => this.#failure !== null || this.serving === count, startLimit)
    const [{ url } = { url: null }] = this.#processes.values()
    if (this.serving < count || url === null) throw this.#failure ?? new CommandFailure(notInTime, exitCode.failure)
    this.#looking = setInterval(() => this.#look(), look)
    return url
  }

  send(worker: number, message: ToWorker): void {
    this.#processes.get(worker)?.send(message)
  }

  /** Tells all, or all but one. */
  broadcast(message: ToWorker, except = 0): void {
    for (const [worker, process] of this.#processes) if (worker !== except) process.send(message)
  }

  /** Resolves when no worker serves by an older configuration any more. */
  async configure(): Promise<void> {
    const { logger } = this.#parts
    const told = [...this.#processes].filter(([, { given }]) => given > 0)
    for (const [worker, process] of told) this.#configure(worker, process)
    // One that is just being started takes it before its first request.
    const isLate = ([worker, process]: (typeof told)[number]) =>
      this.#isThere(worker, process) && process.serves && process.has < process.given
    const late = () => told.filter(isLate)
    await this.#until(() => late().length === 0, configureLimit)
    for (const [worker, process] of late()) {
      logger.error({ worker }, 'a worker process did not take the new configuration: it is started anew')
      process.kill()
    }
  }

  /** Resolves when all that serve have reported anew, or have had time for it. */
  async reports({ ofProcess = false } = {}): Promise<void> {
    this.#question += 1
    const number = this.#question
    const asked = [...this.#processes].filter(([, { serves }]) => serves)
    for (const [, process] of asked) process.send({ kind: 'report', number, ofProcess })
    const isToCome = ([worker, process]: (typeof asked)[number]) =>
      this.#isThere(worker, process) && process.answered < number
    await this.#until(() => !asked.some(isToCome), reportLimit)
  }

  /**
   * Lets the workers end within the grace.
   *
   * @param grace milliseconds
   * @returns how many connections had to be cut
   */
  async end(grace: number): Promise<number> {
    this.#ending.abort()
    if (this.#looking) clearInterval(this.#looking)
    this.broadcast({ kind: 'end' })
    const isEmpty = () => this.#processes.size === 0
    await this.#until(isEmpty, grace + farewell)
    for (const process of this.#processes.values()) process.kill()
    await this.#until(isEmpty, farewell)
    return this.#cut
  }

  #start(worker: number, backoff: Backoff): void {
    const { logger, log, onMessage } = this.#parts
    const process = new WorkerProcess({
      log,
      onMessage: (message) => {
        if (message.kind === 'started') this.#configure(worker, process)
        else if (message.kind === 'serving') logger.info({ worker, pid: process.pid }, 'a worker process serves')
        else onMessage(worker, message)
        this.#changed()
      },
    })
    this.#processes.set(worker, process)
    void process.ended.then((ended) => this.#ended(worker, process, backoff, ended))
  }

  #configure(worker: number, process: WorkerProcess): void {
    process.send({ kind: 'configuration', configuration: this.#parts.configurationOf(worker) })
  }

  #ended(worker: number, process: WorkerProcess, backoff: Backoff, ended: Ended): void {
    this.#processes.delete(worker)
    const underWay = this.#parts.onEnd(worker)
    if (this.#ending.signal.aborted) this.#cut += process.cut ?? underWay
    else if (!this.#looking) this.#failure ??= process.startFailure(ended)
    else void this.#startAnew(worker, process, backoff, { ...ended, underWay })
    this.#changed()
  }

  async #startAnew(
    worker: number,
    { pid, startedAt, failure }: WorkerProcess,
    backoff: Backoff,
    ended: Ended & { underWay: number },
  ): Promise<void> {
    if (performance.now() - startedAt > settled) backoff.succeeded()
    const wait = backoff.remaining()
    backoff.failed()
    const line = { worker, pid, ...ended, reason: failure?.message, restartInSeconds: Math.ceil(wait / 1000) }
    this.#parts.logger.error(
      line,
      'a worker process has ended: what was under way in it is cut, and it is started anew',
    )
    const { signal } = this.#ending
    await delay(wait, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    this.restarts += 1
    this.#start(worker, backoff)
  }

  #look(): void {
    for (const [worker, process] of this.#processes) {
      if (!process.serves) continue
      process.unanswered += 1
      if (process.unanswered > patience) {
        this.#parts.logger.error({ worker, pid: process.pid }, 'a worker process does not answer: it is ended')
        process.unanswered = 0
        process.kill()
      }
    }
    void this.reports()
  }

  #isThere(worker: number, process: WorkerProcess): boolean {
    return this.#processes.get(worker) === process
  }

  /** Resolves when it is so, or after so many milliseconds. */
  async #until(isSo: () => boolean, limit: number): Promise<void> {
    if (isSo()) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const check = () => isSo() && resolve()
    const timer = setTimeout(resolve, limit)
    this.#waiting.add(check)
    await promise
    this.#waiting.delete(check)
    clearTimeout(timer)
  }

  #changed(): void {
    for (const check of this.#waiting) check()
  }
}

const notInTime = `Can't start: the worker processes did not come up within ${startLimit / 1000} seconds.`
