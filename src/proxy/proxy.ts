import { planReload, type ReloadPlan } from '../config/reload-plan.ts'
import type { Settings } from '../config/settings.ts'
import { readTls, type TlsMaterial } from '../config/tls.ts'
import { AuditedLog } from '../observe/audit/audited-log.ts'
import { EventLoopWatch } from '../observe/event-loop-watch.ts'
import { type Logger, levelOf } from '../observe/logger.ts'
import { Metrics } from '../observe/metrics/metrics.ts'
import { RateLimitedLog } from '../observe/rate-limited-log.ts'
import { RequestHistory } from '../observe/request-history.ts'
import { passingOn, type Tracing } from '../observe/tracing.ts'
import { shuttingDown } from '../server/exchange-handler.ts'
import { dicomStoreOf } from '../stores/dicom-store.ts'
import { version } from '../version.ts'
import { Access } from './access.ts'
import { AdminPlane } from './admin-plane.ts'
import { DataPlane } from './data-plane.ts'
import { ListenerTls } from './listener-tls.ts'
import { ProxyRuntime } from './runtime.ts'

/** A running proxy. */
export interface RunningProxy {
  /** Root of the data listener, without a trailing slash: `http://127.0.0.1:8043`. */
  readonly url: string
  readonly adminUrl: string | null
  /** Accounts by name, with the URL to give to Orthanc. */
  readonly accountUrls: ReadonlyMap<string, string>
  /**
   * Serves by other settings from the next request on; those under way end by the old ones (docs/adr/0025).
   *
   * Rejects with a ConfigurationError or a StartFailure when that can't be, and then nothing has changed.
   */
  reload(settings: Settings): Promise<ReloadPlan>
  /**
   * Takes no more requests, lets those under way finish within the grace, then cuts them.
   *
   * @returns how many connections had to be cut
   */
  close(): Promise<number>
}

/** Builds the proxy from its settings and starts it. Rejects when a listener can't listen. */
export async function startProxy(
  settings: Settings,
  { logger, tracing = passingOn }: { logger: Logger; tracing?: Tracing },
): Promise<RunningProxy> {
  const material = settings.tls && (await readTls(settings.tls))
  const ending = new AbortController()
  const generations = new ProxyRuntime(settings, { logger, ending: ending.signal })
  const access = new Access(settings, logger)
  const refusals = new RateLimitedLog(logger, settings.limits.rejectedLogRate)
  const history = new RequestHistory(namesOf(settings))
  const watch = new EventLoopWatch({ log: logger, inFlight: () => history.inFlight, cpuTime })
  const shown = {
    version,
    accounts: () => generations.current.accounts,
    history,
    connections: () => generations.connectionCounts(),
    refusals,
    audit: () => generations.current.audit,
  }
  const metrics = new Metrics(shown)
  const log = new AuditedLog(refusals, () => generations.current.audit)
  const counting: Pick<Metrics, 'record'> = {
    record(event) {
      metrics.record(event)
      watch.ended(event)
    },
  }
  const data = new DataPlane(
    { logger, tracing, refusals, history, metrics: counting, ending: ending.signal, clientOf: access.clientOf },
    { generations, log, material },
  )
  const admin = new AdminPlane(
    { ...shown, accepting: () => !ending.signal.aborted, metrics, clientOf: access.adminClientOf },
    { generations, log, material },
  )
  const renewTls = (material: TlsMaterial) => {
    for (const side of [data, admin]) side.renewTls(material)
  }
  const tls = new ListenerTls(settings, renewTls, logger)

  async function reload(wanted: Settings): Promise<ReloadPlan> {
    const before = generations.current.settings
    const change = planReload(before, wanted)
    const { settings: next } = change
    const files = await tls.read(next)
    // The proxy may have been told to end meanwhile.
    if (ending.signal.aborted) return change
    generations.replace(next)
    // From here on nothing fails: all of it is in force, or nothing.
    data.replace(next)
    access.replace(next)
    tls.replace(next, files)
    history.keepOnly(namesOf(next))
    void metrics.keepOnly(namesOf(next))
    refusals.perMinute = next.limits.rejectedLogRate
    if (next.verbose !== before.verbose) logger.level = levelOf(next)
    return change
  }

  async function close() {
    ending.abort(shuttingDown())
    tls.close()
    access.close()
    const cut = await data.close()
    generations.stop()
    await admin.close()
    refusals.close()
    await generations.close()
    watch.close()
    return cut
  }

  try {
    const url = await data.listen()
    const adminUrl = await admin.listen()
    generations.start()
    return {
      url,
      adminUrl,
      get accountUrls() {
        return accountUrlsOf(url, generations.current.settings)
      },
      reload,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Milliseconds of processor time that this thread, and so the event loop, has used. */
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
