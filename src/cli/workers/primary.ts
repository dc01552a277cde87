import { type Change, whileRunning } from '../../config/change.ts'
import type { Settings } from '../../config/settings.ts'
import type { TlsMaterial } from '../../config/tls.ts'
import { shareOf } from '../../config/workers.ts'
import { allowing } from '../../guard/networks.ts'
import { RecordedRefusals } from '../../observe/audit/recorded-refusals.ts'
import { destinationOf, type Logger, levelOf } from '../../observe/logger.ts'
import { Metrics } from '../../observe/metrics/metrics.ts'
import { ProcessMetrics, textOfProcesses } from '../../observe/metrics/process-metrics.ts'
import { RefusalLog } from '../../observe/refusal-log.ts'
import { Access } from '../access.ts'
import { Generations } from '../generations.ts'
import { ListenerTls } from '../listener-tls.ts'
import { OperationSide } from '../operation-side.ts'
import { accountUrlsOf, namesOf, type RunningProxy } from '../proxy.ts'
import { version } from '../version.ts'
import { CombinedState } from './combined-state.ts'
import { Fleet } from './fleet.ts'
import type { FromWorker } from './messages.ts'
import { Trails } from './trails.ts'
import { Wanted } from './wanted.ts'

/** The process that starts the workers, and has all that is of the proxy as a whole. */
export class Primary implements RunningProxy {
  url = ''
  adminUrl: string | null = null
  readonly #logger: Logger
  readonly #wanted: Wanted
  readonly #trails: Trails
  readonly #fleet: Fleet
  readonly #combined: CombinedState
  readonly #metrics: Metrics
  readonly #processMetrics = new ProcessMetrics()
  readonly #refusals: RefusalLog
  readonly #access: Access
  readonly #admin: OperationSide
  readonly #tls: ListenerTls
  #accepting = true

  /** Throws a CommandFailure if the audit trail can't be opened. */
  constructor(settings: Settings, material: TlsMaterial | null, logger: Logger) {
    this.#logger = logger
    this.#trails = new Trails(settings, logger, (trail) => {
      this.#fleet.broadcast({ kind: 'recorded', trail, records: 0 })
    })
    this.#wanted = new Wanted(settings, material)
    this.#combined = new CombinedState(settings, () => this.#metrics)
    this.#fleet = new Fleet({
      count: settings.workers,
      logger,
      log: destinationOf(logger),
      configurationOf: (worker) => this.#configurationOf(worker),
      onMessage: (worker, message) => this.#heard(worker, message),
      onEnd: (worker) => this.#ended(worker),
    })
    this.#access = new Access(settings, logger, {
      onFailedTry: (address) => this.#fleet.broadcast({ kind: 'failed-try', address }),
      onReread: (clients) => {
        this.#wanted.clients = clients
        void this.#fleet.configure()
      },
    })
    this.#refusals = new RefusalLog(logger, settings.limits.logLines)
    const shown = this.#shown()
    this.#metrics = new Metrics(shown)
    this.#admin = new OperationSide(settings, {
      operation: {
        ...shown,
        accepting: () => this.#accepting,
        upToDate: () => this.#fleet.reports(),
        metrics: { contentType: this.#metrics.contentType, text: () => this.#metricsText() },
        clientOf: this.#access.adminClientOf,
      },
      log: new RecordedRefusals(this.#refusals, () => this.#trails.current),
      limits: () => this.#wanted.settings.limits,
      allows: (address) => allowing(this.#wanted.settings.allowedNetworks)(address),
      material,
    })
    this.#tls = new ListenerTls(settings, (material) => this.#renewTls(material), logger)
  }

  get accountUrls(): ReadonlyMap<string, string> {
    return accountUrlsOf(this.url, this.#wanted.settings)
  }

  async start(): Promise<void> {
    this.url = await this.#fleet.start()
    this.adminUrl = await this.#admin.listen()
  }

  async reload(wanted: Settings): Promise<Change> {
    const before = this.#wanted.settings
    const change = whileRunning(before, wanted)
    const { settings: next } = change
    await rehearse(next, this.#logger)
    // The last thing that may fail.
    this.#trails.replace(next)
    this.#wanted.replace(next)
    this.#access.replace(next)
    this.#tls.replace(next)
    this.#combined.replace(next)
    void this.#metrics.keepOnly(namesOf(next))
    this.#refusals.perMinute = next.limits.logLines
    if (next.verbose !== before.verbose) this.#logger.level = levelOf(next)
    await this.#fleet.configure()
    return change
  }

  async close(): Promise<number> {
    this.#accepting = false
    this.#tls.close()
    this.#access.close()
    const cut = await this.#fleet.end(this.#wanted.settings.shutdownGrace)
    await this.#admin.close()
    this.#refusals.close()
    await this.#trails.close()
    return cut
  }

  #shown() {
    const combined = this.#combined
    const ownRefusals = this.#refusals
    return {
      version,
      accounts: () => combined.accounts,
      history: combined.history,
      connections: () => combined.connections,
      refusals: {
        get counts() {
          return combined.refusalsWith(ownRefusals.counts)
        },
      },
      audit: () => this.#audit(),
      workers: () => {
        const { serving, restarts } = this.#fleet
        return { wanted: this.#wanted.settings.workers, serving, restarts }
      },
    }
  }

  #audit() {
    const { current } = this.#trails
    if (!current) return null
    const { accepting, available, lost } = current
    return { accepting, available, lost: lost + this.#combined.lost }
  }

  async #metricsText(): Promise<string> {
    await this.#fleet.reports({ ofProcess: true })
    const processes = new Map([['primary', await this.#processMetrics.read()]])
    for (const [worker, { process }] of this.#combined.reports) if (process) processes.set(`worker ${worker}`, process)
    return `${await this.#metrics.text()}\n${await textOfProcesses(processes)}`
  }

  #configurationOf(worker: number) {
    // Whoever has ended last has closed the address.
    if (this.url !== '' && this.#fleet.serving === 0) this.#wanted.port = Number(new URL(this.url).port)
    return this.#wanted.for(worker, this.#trails.stateFor(worker))
  }

  #heard(worker: number, message: FromWorker): void {
    if (message.kind === 'report') this.#combined.apply(worker, message.report)
    else if (message.kind === 'trail-closed') this.#trails.leave(worker, message.trail)
    else if (message.kind === 'record') {
      const trail = this.#trails.record(message.trail, message.record, message.isMinor)
      this.#fleet.send(worker, { kind: 'recorded', trail, records: 1 })
    } else if (message.kind === 'failed-try') {
      this.#access.failedElsewhere(message.address)
      this.#fleet.broadcast({ kind: 'failed-try', address: message.address }, worker)
    }
  }

  #ended(worker: number): number {
    this.#trails.leaveAll(worker)
    return this.#combined.ended(worker)
  }

  #renewTls(material: TlsMaterial): void {
    this.#wanted.material = material
    this.#admin.renewTls(material)
    void this.#fleet.configure()
  }
}

/** What workers make of a configuration, made once here: what can't be used must be refused before they are told of it. */
async function rehearse(settings: Settings, logger: Logger): Promise<void> {
  const { signal: ending } = new AbortController()
  await new Generations(shareOf(settings), { logger, ending, openAudit: () => null }).close()
}
