import { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { createAdminListener } from '../admin/admin-listener.ts'
import { isLoopback } from '../config/loopback.ts'
import type { ListenAddress, Settings } from '../config/settings.ts'
import { readTls } from '../config/tls.ts'
import type { FetchToken } from '../credentials/access-token.ts'
import { DescribedCredential } from '../credentials/credential-description.ts'
import { createFetchToken, credentialIdentity } from '../credentials/fetch-token.ts'
import { TokenCache, type TokenEvent } from '../credentials/token-cache.ts'
import { type Connections, openConnections } from '../forward/connections.ts'
import { createForwarder } from '../forward/forwarder.ts'
import { Guard } from '../guard/guard.ts'
import { allowing } from '../guard/networks.ts'
import { RecordedRefusals } from '../observe/audit/recorded-refusals.ts'
import type { LineLog, Logger } from '../observe/logger.ts'
import { Metrics } from '../observe/metrics/metrics.ts'
import { RefusalLog } from '../observe/refusal-log.ts'
import { RequestHistory } from '../observe/request-history.ts'
import type { ServedAccount } from '../server/account.ts'
import { createDataListener } from '../server/data-listener.ts'
import { Deletions } from '../server/deletions.ts'
import { ExchangeHandler, shuttingDown } from '../server/exchange-handler.ts'
import { Places } from '../server/places.ts'
import { tlsOptions } from '../server/tls.ts'
import { Tries } from '../server/tries.ts'
import { dicomStoreOf } from '../stores/dicom-store.ts'
import { operationUrlsOf } from '../stores/operation-url.ts'
import { openAccess } from './access.ts'
import { openAudit } from './audit.ts'
import { keepTlsFresh } from './listener-tls.ts'
import { version } from './version.ts'

/** A running proxy. */
export interface RunningProxy {
  /** Root of the data listener, without a trailing slash: `http://127.0.0.1:8043`. */
  readonly url: string
  readonly adminUrl: string | null
  /** Accounts by name, with the URL to give to Orthanc. */
  readonly accountUrls: ReadonlyMap<string, string>
  /**
   * Takes no more requests, lets those under way finish within the grace, then cuts them.
   *
   * @returns how many connections had to be cut
   */
  close(): Promise<number>
}

/** Builds the proxy from its settings and starts it. Rejects when a listener can't listen. */
export async function startProxy(settings: Settings, { logger }: { logger: Logger }): Promise<RunningProxy> {
  const audit = openAudit(settings, logger)
  const connections = openConnections(settings.outgoing)
  const tokens = createTokenCache(settings, connections, logger)
  const accounts = settings.accounts.map((account) => servedAccount(account, settings, tokens))
  const forwarder = createForwarder(connections, settings.outgoing, settings.retry)
  const userAgent = `gcp-dicomweb-proxy/${version}`
  const ending = new AbortController()
  const graceOver = new AbortController()
  const { budget } = settings.retry
  const { timeouts } = settings.outgoing
  const { dispatcher } = connections
  const deletions = new Deletions({ dispatcher, logger, userAgent, wait: settings.deletionWait, ending: ending.signal })
  const tries = new Tries({ forwarder, deletions, logger, userAgent, budget, timeouts, audit, ending: ending.signal })
  const guard = new Guard(accounts)
  const history = new RequestHistory(settings.accounts.map(({ name }) => name))
  const signals = { ending: ending.signal, graceOver: graceOver.signal }
  const access = openAccess(settings, logger)
  const refusals = new RefusalLog(logger, settings.limits.logLines)
  const { clientOf, adminClientOf } = access
  const counts = () => connections.counts()
  const state = { version, accounts: () => accounts, history, connections: counts, refusals, audit }
  const metrics = new Metrics(state)
  const handler = new ExchangeHandler({
    clientOf,
    guard,
    tries,
    logger,
    refusals,
    history,
    metrics,
    audit,
    idle: timeouts.idle,
    ...signals,
  })
  const listenerOptions = listenerOptionsOf(settings, audit ? new RecordedRefusals(refusals, audit) : refusals)
  const data = createDataListener((...exchange) => handler.handle(...exchange), listenerOptions.data)
  const accepting = () => !ending.signal.aborted
  const shown = { version, accounts: () => accounts, history, audit, refusals, metrics }
  const operation = { accepting, ...shown, clientOf: adminClientOf }
  const admin = settings.adminListen && createAdminListener(operation, listenerOptions.admin)
  const secured = [data, admin].map((listener) => listener?.server).filter((server) => server instanceof HttpsServer)
  const tls = keepTlsFresh(settings, secured, logger)

  async function close() {
    ending.abort(shuttingDown())
    tls.close()
    access.close()
    const cut = await closeWithin(data, settings.shutdownGrace, graceOver)
    // What was cut may still wait for a token, which nobody needs any more.
    await within(lastLines, handler.concluded())
    tokens.close()
    await admin?.close()
    await connections.close()
    refusals.close()
    await audit?.close()
    return cut
  }

  try {
    const url = await listen(data, settings.listen)
    const adminUrl = admin && settings.adminListen ? await listen(admin, settings.adminListen) : null
    tokens.start()
    const accountUrls = new Map(
      settings.accounts.map((account) => [account.name, url + dicomStoreOf(account, settings.baseUrl).localPath]),
    )
    return { url, adminUrl, accountUrls, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The admin listener speaks TLS only where other machines reach it: probes of this one need none. */
function listenerOptionsOf({ adminListen, allowedNetworks, limits, requestHead, tls }: Settings, log: LineLog) {
  const allows = allowing(allowedNetworks)
  const material = tls && readTls(tls)
  const tlsOf = (requireClientCertificate: boolean) =>
    material && tlsOptions(material, { requireClientCertificate, handshakeTimeout: requestHead })
  const data = { log, limits, allows, requestHead, tls: tlsOf(tls?.requireClientCertificate ?? false) }
  if (!adminListen || isLoopback(adminListen.host))
    return { data, admin: { log, limits, allows: isLoopback, tls: null } }
  const allowsAdmin = (address: string) => isLoopback(address) || allows(address)
  return { data, admin: { log, limits, allows: allowsAdmin, tls: tlsOf(false) } }
}

function createTokenCache(settings: Settings, connections: Connections, logger: Logger): TokenCache {
  const { fetch, fetchDirect } = connections
  const access = { ...settings.tokens, fetch, fetchDirect }
  const fetches = new Map<string, FetchToken>()
  const names = new Map<string, string[]>()
  for (const { name, credential } of settings.accounts) {
    const identity = credentialIdentity(credential)
    fetches.set(identity, createFetchToken(credential, access))
    names.set(identity, [...(names.get(identity) ?? []), name])
  }
  const onRefresh = (identity: string, event: TokenEvent) => logRefresh(logger, names.get(identity) ?? [], event)
  return new TokenCache(fetches, { refreshInterval: settings.tokens.refreshInterval, onRefresh })
}

function logRefresh(logger: Logger, accounts: readonly string[], event: TokenEvent): void {
  if ('error' in event) {
    const retryInSeconds = Math.ceil(event.retryIn / 1000)
    logger.error({ accounts, reason: event.error.message, retryInSeconds }, 'no access token')
  } else {
    logger.info({ accounts, expiresAt: new Date(event.expiresAt).toISOString() }, 'access token fetched')
  }
}

function servedAccount(account: Settings['accounts'][number], settings: Settings, tokens: TokenCache): ServedAccount {
  const { name, access, quotaProject, credential } = account
  const identity = credentialIdentity(credential)
  const { resourceName, dicomWebUrl, localPath } = dicomStoreOf(account, settings.baseUrl)
  return {
    name,
    access,
    quotaProject,
    store: resourceName,
    dicomWebUrl: new URL(dicomWebUrl),
    urls: settings.publicUrl === null ? null : { from: dicomWebUrl, to: `${settings.publicUrl}${localPath}` },
    operationUrl: operationUrlsOf(account, settings.baseUrl),
    tokens: tokens.source(identity),
    credential: new DescribedCredential(credential, settings.tokens.allowedHosts),
    places: placesOf(settings.concurrency),
    tokenState: () => tokens.state(identity),
  }
}

function placesOf(concurrency: Settings['concurrency']): ServedAccount['places'] {
  const places = () => new Places(concurrency)
  return { 'STOW-RS': places(), 'QIDO-RS': places(), 'WADO-RS': places(), DELETE: places() }
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
