import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { createAdminListener } from '../admin/admin-listener.ts'
import type { ListenAddress, Settings } from '../config/settings.ts'
import type { FetchToken } from '../credentials/access-token.ts'
import { createFetchToken, credentialIdentity } from '../credentials/fetch-token.ts'
import { TokenCache, type TokenEvent } from '../credentials/token-cache.ts'
import { type Connections, openConnections } from '../forward/connections.ts'
import { createForwarder } from '../forward/forwarder.ts'
import { Guard } from '../guard/guard.ts'
import type { Logger } from '../observe/logger.ts'
import { RequestHistory } from '../observe/request-history.ts'
import type { ServedAccount } from '../server/account.ts'
import { createDataListener } from '../server/data-listener.ts'
import { ExchangeHandler } from '../server/exchange-handler.ts'
import { Tries } from '../server/tries.ts'
import { dicomStoreOf } from '../stores/dicom-store.ts'
import { version } from './version.ts'

/** A running proxy. */
export interface RunningProxy {
  /** Root of the data listener, without a trailing slash: `http://127.0.0.1:8043`. */
  readonly url: string
  readonly adminUrl: string | null
  /** Accounts by name, with the URL to give to Orthanc. */
  readonly accountUrls: ReadonlyMap<string, string>
  /** Takes no more requests, lets those under way finish within the grace, then cuts them. */
  close(): Promise<void>
}

/** How long (ms) requests under way may take to finish once the proxy shuts down; Kubernetes gives 30 s in all. */
const grace = 20_000

/** Builds the proxy from its settings and starts it. Rejects when a listener can't listen. */
export async function startProxy(settings: Settings, { logger }: { logger: Logger }): Promise<RunningProxy> {
  const connections = openConnections(settings.outgoing)
  const tokens = createTokenCache(settings, connections, logger)
  const accounts = settings.accounts.map((account) => servedAccount(account, settings, tokens))
  const forwarder = createForwarder(connections, settings.outgoing, settings.retry)
  const userAgent = `gcp-dicomweb-proxy/${version}`
  let isAccepting = true
  const accepting = () => isAccepting
  const tries = new Tries({ forwarder, logger, userAgent, budget: settings.retry.budget })
  const history = new RequestHistory(settings.accounts.map(({ name }) => name))
  const handler = new ExchangeHandler({ guard: new Guard(accounts), tries, logger, history, accepting })
  const data = createDataListener((...exchange) => handler.handle(...exchange), logger)
  const admin = settings.adminListen && createAdminListener({ accepting, accounts: () => accounts, history })

  async function close() {
    isAccepting = false
    tokens.close()
    await closeWithin(data, grace)
    await admin?.close()
    await connections.close()
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
    tokens: tokens.source(identity),
    tokenState: () => tokens.state(identity),
  }
}

async function listen(listener: FastifyInstance, { host, port }: ListenAddress): Promise<string> {
  await listener.listen({ host, port })
  const { address, family, port: chosen } = listener.server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${chosen}`
}

/** How often (ms) connections are looked for that have become idle, while their listener closes. */
const idleLook = 100

/** Closes idle connections at once and busy ones when their request ends, but none later than the grace. */
async function closeWithin(listener: FastifyInstance, milliseconds: number): Promise<void> {
  const { server } = listener
  // Closing ends what is idle at that moment only; a client would keep its connection long after its last answer.
  const looking = setInterval(() => server.closeIdleConnections(), idleLook)
  const cutting = setTimeout(() => server.closeAllConnections(), milliseconds)
  await listener.close()
  clearInterval(looking)
  clearTimeout(cutting)
}
