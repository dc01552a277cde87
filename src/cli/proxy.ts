import { type Change, whileRunning } from '../config/change.ts'
import type { Settings } from '../config/settings.ts'
import { readTls, type TlsMaterial } from '../config/tls.ts'
import { EventLoopWatch } from '../observe/event-loop-watch.ts'
import type { Logger } from '../observe/logger.ts'
import { Metrics } from '../observe/metrics/metrics.ts'
import { RefusalLog } from '../observe/refusal-log.ts'
import { RequestHistory } from '../observe/request-history.ts'
import { passingOn, type Tracing } from '../observe/tracing.ts'
import { dicomStoreOf } from '../stores/dicom-store.ts'
import { Access } from './access.ts'
import { openAudit } from './audit.ts'
import { DataSide } from './data-side.ts'
import { ListenerTls } from './listener-tls.ts'
import { OperationSide } from './operation-side.ts'
import { version } from './version.ts'

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
   * Throws a ConfigurationError or a CommandFailure when that can't be, and then nothing has changed.
   */
  reload(settings: Settings): Change | Promise<Change>
  /**
   * Takes no more requests, lets those under way finish within the grace, then cuts them.
   *
   * @returns how many connections had to be cut
   */
  close(): Promise<number>
}

/** Builds the proxy from its settings and starts it, all in this process. Rejects when a listener can't listen. */
export async function startProxy(
  settings: Settings,
  { logger, tracing = passingOn }: { logger: Logger; tracing?: Tracing },
): Promise<RunningProxy> {
  const history = new RequestHistory(namesOf(settings))
  const access = new Access(settings, logger)
  const refusals = new RefusalLog(logger, settings.limits.logLines)
  const material = settings.tls && readTls(settings.tls)
  const watch = new EventLoopWatch({ log: logger, inFlight: () => history.underWay, cpuTime })
  const counting: Pick<Metrics, 'record'> = {
    record(event) {
      metrics.record(event)
      watch.ended(event)
    },
  }
  const parts = { logger, tracing, access, refusals, history, metrics: counting, material, openAudit }
  const data = new DataSide(settings, parts)
  const { generations } = data
  const shown = {
    version,
    accounts: () => generations.current.accounts,
    history,
    connections: () => generations.connectionCounts(),
    refusals,
    audit: () => generations.current.audit,
  }
  const metrics = new Metrics(shown)
  const admin = new OperationSide(settings, {
    operation: { ...shown, accepting: () => data.accepting, metrics, clientOf: access.adminClientOf },
    log: data.recorded,
    limits: () => generations.current.settings.limits,
    allows: (address) => generations.current.allows(address),
    material,
  })
  const renew = (material: TlsMaterial) => {
    for (const side of [data, admin]) side.renewTls(material)
  }
  const tls = new ListenerTls(settings, renew, logger)

  function reload(wanted: Settings): Change {
    const change = whileRunning(generations.current.settings, wanted)
    const { settings: next } = change
    data.replace(next)
    access.replace(next)
    tls.replace(next)
    history.keepOnly(namesOf(next))
    void metrics.keepOnly(namesOf(next))
    return change
  }

  async function close() {
    tls.close()
    access.close()
    const cut = await data.end()
    await admin.close()
    await data.close()
    watch.close()
    return cut
  }

  try {
    const url = await data.listen()
    const adminUrl = await admin.listen()
    data.start()
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

export function namesOf({ accounts }: Settings): string[] {
  return accounts.map(({ name }) => name)
}

export function accountUrlsOf(url: string, { accounts, baseUrl }: Settings): ReadonlyMap<string, string> {
  return new Map(accounts.map((account) => [account.name, url + dicomStoreOf(account, baseUrl).localPath]))
}
