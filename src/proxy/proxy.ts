import type { ProxyStatus } from '../admin/proxy-status.ts'
import { planReload, type ReloadPlan } from '../config/reload-plan.ts'
import type { Settings } from '../config/settings.ts'
import { readTls, type TlsMaterial } from '../config/tls.ts'
import { AuditedLog } from '../observe/audit/audit-trail.ts'
import { EventLoopWatch } from '../observe/event-loop-watch.ts'
import { type Logger, levelOf } from '../observe/logger.ts'
import { Metrics } from '../observe/metrics/metrics.ts'
import type { ProxyState } from '../observe/metrics/proxy-state.ts'
import { RateLimitedLog } from '../observe/rate-limited-log.ts'
import { ReloadStatus } from '../observe/reload-status.ts'
import { RequestHistory } from '../observe/request-history.ts'
import { passThroughTracing, type Tracing } from '../observe/tracing.ts'
import { shuttingDown } from '../server/exchange-handler.ts'
import { dicomStoreOf } from '../stores/dicom-store.ts'
import { version } from '../version.ts'
import { Access } from './access.ts'
import { AdminPlane } from './admin-plane.ts'
import { DataPlane } from './data-plane.ts'
import type { ListeningSockets } from './listen.ts'
import { ListenerTls } from './listener-tls.ts'
import { ProxyRuntime } from './runtime.ts'

/** A running proxy. */
export interface RunningProxy {
  /** Root of the data listener, without a trailing slash: `http://127.0.0.1:8043`. */
  readonly url: string
  readonly adminUrl: string | null
  /** The URL of each account, as configured in Orthanc. */
  readonly accountUrls: ReadonlyMap<string, string>
  /**
   * Applies new settings to new requests. Requests in flight keep the old ones (docs/adr/0025).
   *
   * Throws a ConfigurationError or a StartFailure, and changes nothing, if they can't be applied.
   */
  reload(settings: Settings): Promise<ReloadPlan>
  /** To be told of the configuration's reloads. */
  readonly reloads: Pick<ReloadStatus, 'succeed' | 'reject'>
  /** Of the listeners, for a successor. */
  readonly sockets: ListeningSockets
  /** Names of the accounts without a usable token. */
  withoutToken(): readonly string[]
  /**
   * Leaves the addresses to a successor that accepts there already: accepts no more connections,
   * and closes the admin listener. Resolves when the open connections have ended, however long that
   * takes; {@link close} ends it sooner.
   */
  drain(): Promise<void>
  /**
   * Accepts no more requests, lets those in flight finish within the grace period, then aborts
   * them.
   *
   * @returns the number of connections closed by force
   */
  close(): Promise<number>
}

/** Gets to know how requests end, and knows of Orthanc's failed uploads. */
export type UploadWatch = NonNullable<ProxyStatus['failedJobs']> &
  NonNullable<ProxyState['failedJobs']> &
  Pick<Metrics, 'record'>

/** A running proxy, from the point of view of the one that takes its place (docs/adr/0039). */
export interface Predecessor {
  readonly sockets: ListeningSockets
  /**
   * Called when everything is ready but tokens and listeners. Resolves when the listeners shall
   * open; rejects if they shall not.
   *
   * @param withoutToken names of the accounts for which no token was to be had
   */
  prepared(withoutToken: Promise<readonly string[]>): Promise<void>
}

export interface ProxyOptions {
  readonly logger: Logger
  readonly tracing?: Tracing
  /** Null if nobody looks after Orthanc's failed uploads. */
  readonly uploads?: UploadWatch | null
  /** Null if this proxy takes no other's place. */
  readonly predecessor?: Predecessor | null
}

/** Builds the proxy from its settings and starts it. Rejects if a listener can't be opened. */
export async function startProxy(
  settings: Settings,
  { logger, tracing = passThroughTracing, uploads = null, predecessor = null }: ProxyOptions,
): Promise<RunningProxy> {
  const material = settings.tls && (await readTls(settings.tls))
  const ending = new AbortController()
  const runtime = new ProxyRuntime(settings, { logger, ending: ending.signal })
  const reloads = new ReloadStatus()
  const access = new Access(settings, logger, reloads)
  const rejectionLog = new RateLimitedLog(logger, settings.limits.rejectedLogRate)
  const history = new RequestHistory(namesOf(settings))
  const watch = new EventLoopWatch({ log: logger, inFlight: () => history.inFlight, cpuTime })
  const statusSources = {
    version,
    accounts: () => runtime.current.accounts,
    history,
    connections: () => runtime.connectionCounts(),
    rejected: rejectionLog,
    reloads,
    audit: () => runtime.current.audit,
    certificates: () => tls.expiry,
    failedJobs: uploads,
    readiness: () => runtime.current.settings.readiness,
  }
  const metrics = new Metrics(statusSources)
  const log = new AuditedLog(rejectionLog, () => runtime.current.audit)
  const requestMetrics: Pick<Metrics, 'record'> = {
    record(event) {
      metrics.record(event)
      watch.ended(event)
      uploads?.record(event)
    },
  }
  const data = new DataPlane(
    {
      logger,
      tracing,
      rejectionLog,
      history,
      metrics: requestMetrics,
      ending: ending.signal,
      clientOf: access.clientOf,
    },
    { runtime, log, material },
  )
  const admin = new AdminPlane(
    { ...statusSources, accepting: () => !ending.signal.aborted, metrics, clientOf: access.adminClientOf },
    { runtime, log, material },
  )
  const renewTls = (material: TlsMaterial) => {
    for (const plane of [data, admin]) plane.renewTls(material)
  }
  const tls = new ListenerTls(settings, { material, renew: renewTls, logger, reloads })

  async function reload(desired: Settings): Promise<ReloadPlan> {
    const before = runtime.current.settings
    const plan = planReload(before, desired)
    const { settings: next } = plan
    const files = await tls.read(next)
    // The proxy may have been told to end meanwhile.
    if (ending.signal.aborted) return plan
    runtime.replace(next)
    // Nothing below can fail, so a reload applies completely or not at all.
    data.replace(next)
    access.replace(next)
    tls.replace(next, files)
    history.setAccounts(namesOf(next))
    void metrics.setAccounts(namesOf(next))
    rejectionLog.perMinute = next.limits.rejectedLogRate
    if (next.verbose !== before.verbose) logger.level = levelOf(next)
    return plan
  }

  async function close() {
    ending.abort(shuttingDown())
    tls.close()
    access.close()
    const aborted = await data.close()
    runtime.stop()
    await admin.close()
    rejectionLog.close()
    await runtime.close()
    watch.close()
    return aborted
  }

  try {
    if (predecessor) {
      const tokens = runtime.fetchTokens(maxTokenWaitMs)
      await predecessor.prepared(tokens.then(() => runtime.withoutToken()))
    }
    const { sockets = noSockets } = predecessor ?? {}
    // First: if it fails, no client's connection has been accepted yet.
    const adminUrl = await admin.listen(sockets.admin)
    const url = await data.listen(sockets.data)
    runtime.start()
    return {
      url,
      adminUrl,
      get sockets() {
        return { data: data.socket, admin: admin.socket }
      },
      withoutToken: () => runtime.withoutToken(),
      async drain() {
        await Promise.all([data.drain(), admin.drain()])
      },
      get accountUrls() {
        return accountUrlsOf(url, runtime.current.settings)
      },
      reload,
      reloads,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const noSockets: ListeningSockets = { data: null, admin: null }

/** How long the listeners of a successor may wait for tokens. */
const maxTokenWaitMs = 30_000

/** CPU time of this thread, which runs the event loop, in milliseconds. */
function cpuTime(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function namesOf({ accounts }: Settings): string[] {
  return accounts.map(({ name }) => name)
}

function accountUrlsOf(url: string, { accounts, baseUrl }: Settings): ReadonlyMap<string, string> {
  return new Map(accounts.map((account) => [account.name, url + dicomStoreOf(account, baseUrl).localPath]))
}
