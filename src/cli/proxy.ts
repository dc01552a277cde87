import { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { createAdminListener } from '../admin/admin-listener.ts'
import { type Change, whileRunning } from '../config/change.ts'
import { isLoopback } from '../config/loopback.ts'
import type { ListenAddress, Settings } from '../config/settings.ts'
import { readTls } from '../config/tls.ts'
import { RecordedRefusals } from '../observe/audit/recorded-refusals.ts'
import { type LineLog, type Logger, levelOf } from '../observe/logger.ts'
import { Metrics } from '../observe/metrics/metrics.ts'
import { RefusalLog } from '../observe/refusal-log.ts'
import { RequestHistory } from '../observe/request-history.ts'
import { passingOn, type Tracing } from '../observe/tracing.ts'
import { createDataListener, limitTimes } from '../server/data-listener.ts'
import { ExchangeHandler, shuttingDown } from '../server/exchange-handler.ts'
import { tlsOptions } from '../server/tls.ts'
import { dicomStoreOf } from '../stores/dicom-store.ts'
import { Access } from './access.ts'
import { Generations } from './generations.ts'
import { ListenerTls } from './listener-tls.ts'
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
  reload(settings: Settings): Change
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
  const ending = new AbortController()
  const graceOver = new AbortController()
  const generations = new Generations(settings, { logger, ending: ending.signal })
  const history = new RequestHistory(namesOf(settings))
  const signals = { ending: ending.signal, graceOver: graceOver.signal }
  const access = new Access(settings, logger)
  const refusals = new RefusalLog(logger, settings.limits.logLines)
  const { clientOf, adminClientOf } = access
  const shown = {
    version,
    accounts: () => generations.current.accounts,
    history,
    connections: () => generations.connectionCounts(),
    refusals,
    audit: () => generations.current.audit,
  }
  const metrics = new Metrics(shown)
  const handler = new ExchangeHandler({
    clientOf,
    serving: generations.inUse,
    logger,
    refusals,
    history,
    metrics,
    tracing,
    ...signals,
  })
  const recorded = new RecordedRefusals(refusals, () => generations.current.audit)
  const listenerOptions = listenerOptionsOf(settings, generations, recorded)
  const data = createDataListener((...exchange) => handler.handle(...exchange), listenerOptions.data)
  const accepting = () => !ending.signal.aborted
  const operation = { ...shown, accepting, metrics, clientOf: adminClientOf }
  const admin = settings.adminListen && createAdminListener(operation, listenerOptions.admin)
  const secured = [data, admin].map((listener) => listener?.server).filter((server) => server instanceof HttpsServer)
  const tls = new ListenerTls(settings, secured, logger)

  function reload(wanted: Settings): Change {
    const before = generations.current.settings
    const change = whileRunning(before, wanted)
    const { settings: next } = change
    generations.replace(next)
    // From here on nothing fails: all of it is in force, or nothing.
    access.replace(next)
    tls.replace(next)
    history.keepOnly(namesOf(next))
    void metrics.keepOnly(namesOf(next))
    refusals.perMinute = next.limits.logLines
    limitTimes(data, next.requestHead, next.limits.idleConnection)
    if (next.verbose !== before.verbose) logger.level = levelOf(next)
    return change
  }

  async function close() {
    ending.abort(shuttingDown())
    tls.close()
    access.close()
    const cut = await closeWithin(data, generations.current.settings.shutdownGrace, graceOver)
    // What was cut may still wait for a token, which nobody needs any more.
    await within(lastLines, handler.concluded())
    generations.stop()
    await admin?.close()
    refusals.close()
    await generations.close()
    return cut
  }

  try {
    const url = await listen(data, settings.listen)
    const adminUrl = admin && settings.adminListen ? await listen(admin, settings.adminListen) : null
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

function namesOf({ accounts }: Settings): string[] {
  return accounts.map(({ name }) => name)
}

function accountUrlsOf(url: string, { accounts, baseUrl }: Settings): ReadonlyMap<string, string> {
  return new Map(accounts.map((account) => [account.name, url + dicomStoreOf(account, baseUrl).localPath]))
}

/** The admin listener speaks TLS only where other machines reach it: probes of this one need none. */
function listenerOptionsOf({ adminListen, requestHead, tls }: Settings, generations: Generations, log: LineLog) {
  const limits = () => generations.current.settings.limits
  const allows = (address: string) => generations.current.allows(address)
  const material = tls && readTls(tls)
  const tlsOf = (requireClientCertificate: boolean) =>
    material && tlsOptions(material, { requireClientCertificate, handshakeTimeout: requestHead })
  const data = { log, limits, allows, requestHead, tls: tlsOf(tls?.requireClientCertificate ?? false) }
  if (!adminListen || isLoopback(adminListen.host))
    return { data, admin: { log, limits, allows: isLoopback, tls: null } }
  const allowsAdmin = (address: string) => isLoopback(address) || allows(address)
  return { data, admin: { log, limits, allows: allowsAdmin, tls: tlsOf(false) } }
}

async function listen(listener: FastifyInstance, { host, port }: ListenAddress): Promise<string> {
  // Of `localhost`, fastify would open a second server for ::1, which knows none of the rules of the first.
  await listener.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port })
  const { address, family, port: chosen } = listener.server.address() as AddressInfo
  const scheme = listener.server instanceof HttpsServer ? 'https' : 'http'
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${chosen}`
}

/** How long (ms) the requests that were cut may take to write their lines into the log. */
const lastLines = 1_000

/** Waits for something, but no longer than so many milliseconds. */
async function within(milliseconds: number, something: Promise<void>): Promise<void> {
  const enough = new AbortController()
  const { signal } = enough
  await Promise.race([something, delay(milliseconds, undefined, { signal })])
  enough.abort()
}

/** How often (ms) connections are looked for that have become idle, while their listener closes. */
const idleLook = 100

/** Closes idle connections at once and busy ones when their request ends, but none later than the grace. */
async function closeWithin(listener: FastifyInstance, grace: number, graceOver: AbortController): Promise<number> {
  const { server } = listener
  let cut = 0
  // Closing ends what is idle at that moment only; a client would keep its connection long after its last answer.
  const looking = setInterval(() => server.closeIdleConnections(), idleLook)
  const cutting = setTimeout(() => {
    graceOver.abort()
    server.getConnections((_error, count) => {
      cut = count ?? 0
      server.closeAllConnections()
    })
  }, grace)
  await listener.close()
  clearInterval(looking)
  clearTimeout(cutting)
  return cut
}
