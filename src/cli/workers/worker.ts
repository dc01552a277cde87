import cluster from 'node:cluster'
import { isDeepStrictEqual } from 'node:util'
import { createLogger, type Logger } from '../../observe/logger.ts'
import { ProcessMetrics } from '../../observe/metrics/process-metrics.ts'
import { RefusalLog } from '../../observe/refusal-log.ts'
import type { Tracing } from '../../observe/tracing.ts'
import { Access } from '../access.ts'
import { DataSide } from '../data-side.ts'
import { endSoon } from '../end-soon.ts'
import { CommandFailure, type ExitCode, exitCode } from '../exit-code.ts'
import { startFailure } from '../listen.ts'
import { openTracing } from '../tracing.ts'
import { within } from '../within.ts'
import type { Configuration, FromWorker, ToWorker } from './messages.ts'
import { Relays } from './relays.ts'
import { Reports } from './reports.ts'

/** Serves requests for the process that has started this one, until that tells it to end, or ends itself. */
export async function worker(): Promise<ExitCode> {
  const { worker: self } = cluster
  if (!self || !process.send) throw new CommandFailure('worker is a part of serve, which starts it.', exitCode.usage)
  const { promise: ended, resolve: end } = Promise.withResolvers<ExitCode>()
  // The primary gets them, too, and says what is to be done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
  const serving = new Worker(send, end)
  process.on('message', (message: ToWorker) => serving.handle(message))
  self.once('disconnect', () => {
    // First, and in one go: Node ends this process right after, if it does not serve yet, or was told to end.
    serving.orphaned()
    if (!serving.mayFinish) return
    self.exitedAfterDisconnect = true
    void serving.finish()
  })
  send({ kind: 'started' })
  const code = await ended
  self.exitedAfterDisconnect = true
  if (process.connected) process.disconnect()
  endSoon()
  return code
}

/** Milliseconds that the first tokens may take before requests are taken without. */
const tokenWait = 5_000

/** To a primary that is gone nothing can be said. */
function send(message: FromWorker): void {
  process.send?.(message, undefined, {}, () => {})
}

interface Serving {
  readonly data: DataSide
  readonly access: Access
  readonly reports: Reports
  readonly relays: Relays
  readonly tracing: Tracing
}

class Worker {
  readonly #send: (message: FromWorker) => void
  readonly #end: (code: ExitCode) => void
  #serving: Promise<Serving> | null = null
  #relays: Relays | null = null
  #material: Configuration['material'] = null
  #isServing = false
  #ending = false

  constructor(send: (message: FromWorker) => void, end: (code: ExitCode) => void) {
    this.#send = send
    this.#end = end
  }

  /** It serves, and nobody has told it yet to end. */
  get mayFinish(): boolean {
    return this.#isServing && !this.#ending
  }

  handle(message: ToWorker): void {
    if (message.kind === 'configuration') void this.#configure(message.configuration)
    else if (message.kind === 'end') void this.finish()
    else void this.#tell(message)
  }

  /** Who took the records is gone: what was not confirmed is recorded from here. */
  orphaned(): void {
    this.#relays?.orphaned()
  }

  async #tell(message: Exclude<ToWorker, { kind: 'configuration' | 'end' }>): Promise<void> {
    const serving = await this.#whenServing()
    if (message.kind === 'report') await this.#report(message.number, message.ofProcess)
    else if (message.kind === 'recorded') serving?.relays.recorded(message.trail, message.records)
    else serving?.access.failedElsewhere(message.address)
  }

  /** Null where it has not been told what by, or could not: then it is about to end. */
  async #whenServing(): Promise<Serving | null> {
    return this.#serving?.catch(() => null) ?? null
  }

  async #configure(configuration: Configuration): Promise<void> {
    try {
      if (this.#serving) {
        this.#replace(await this.#serving, configuration)
      } else {
        this.#serving = this.#start(configuration)
        await this.#serving
      }
      this.#send({ kind: 'configured', number: configuration.number })
    } catch (cause) {
      const { message, exitCode: code } = startFailure(cause)
      this.#send({ kind: 'failure', message, exitCode: code })
      // One that serves already must not go on by an older configuration than the others.
      if (this.#isServing) await this.finish()
      else this.#end(code)
    }
  }

  async #start({ worker, settings, material, trail }: Configuration): Promise<Serving> {
    const logger: Logger = createLogger({ verbose: settings.verbose, worker })
    const tracing = await openTracing(process.env, logger)
    const refusals = new RefusalLog(logger, settings.limits.logLines)
    const relays = new Relays(this.#send, logger)
    this.#relays = relays
    relays.next = trail
    const reports = new Reports({
      refusals,
      relays,
      processMetrics: new ProcessMetrics(),
      onMany: () => void this.#report(0, false),
    })
    const access = new Access(settings, logger, {
      onFailedTry: (address) => this.#send({ kind: 'failed-try', address }),
    })
    const { openAudit } = relays
    const metrics = { record() {} }
    const data = new DataSide(settings, {
      logger,
      tracing,
      access,
      refusals,
      history: reports,
      metrics,
      material,
      openAudit,
    })
    this.#material = material
    data.start()
    // So one that is started anew makes nobody wait, and nobody think that the proxy is not ready.
    await within(tokenWait, data.firstTokens())
    const url = await data.listen()
    this.#isServing = true
    this.#send({ kind: 'serving', url })
    return { data, access, reports, relays, tracing }
  }

  #replace({ data, access, relays }: Serving, { settings, material, trail }: Configuration): void {
    relays.next = trail
    data.replace(settings)
    access.replace(settings)
    if (material && !isDeepStrictEqual(material, this.#material)) data.renewTls(material)
    this.#material = material
  }

  async #report(number: number, ofProcess: boolean): Promise<void> {
    const serving = await this.#whenServing()
    if (!serving) return
    this.#send({ kind: 'report', number, report: await serving.reports.next(serving.data.generations, ofProcess) })
  }

  /** What is under way may end, and then so does this process. */
  async finish(): Promise<void> {
    if (this.#ending) return
    this.#ending = true
    const serving = await this.#whenServing()
    const cut = (await serving?.data.end()) ?? 0
    await this.#report(0, false)
    await serving?.data.close()
    serving?.access.close()
    await serving?.tracing.close()
    this.#send({ kind: 'ended', cut })
    this.#end(cut === 0 ? exitCode.fine : exitCode.failure)
  }
}
