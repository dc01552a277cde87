import { withTimeout } from '../concurrency/abort.ts'
import { ConcurrencyLimiter } from '../concurrency/limiter.ts'
import { RefCounted, SharedResource } from '../concurrency/ref-counted.ts'
import type { Settings } from '../config/settings.ts'
import type { FetchToken } from '../credentials/access-token.ts'
import { DescribedCredential } from '../credentials/credential-description.ts'
import { createFetchToken, credentialKey } from '../credentials/fetch-token.ts'
import { TokenCache, type TokenEvent } from '../credentials/token-cache.ts'
import { BatchSender } from '../forward/batch-sender.ts'
import { type Connections, openConnections } from '../forward/connections.ts'
import { ReplayBudget } from '../forward/replay-body.ts'
import { createSenders } from '../forward/senders.ts'
import { networkAllowList } from '../guard/address.ts'
import { clientFacingUrl } from '../guard/client-facing-url.ts'
import { Cors } from '../guard/cors.ts'
import { Guard } from '../guard/guard.ts'
import type { AuditTrail } from '../observe/audit/audit-trail.ts'
import type { Logger } from '../observe/logger.ts'
import type { ServedAccount } from '../server/account.ts'
import { Attempts } from '../server/attempts.ts'
import { Deletions } from '../server/deletions.ts'
import type { HandlerContext } from '../server/exchange-handler.ts'
import { BatchAttempts } from '../server/parallel-stow/batch-attempts.ts'
import { ParallelStow } from '../server/parallel-stow/parallel-stow.ts'
import { ParallelUploads } from '../server/parallel-stow/parallel-uploads.ts'
import { StoredInstances } from '../server/parallel-stow/stored-instances.ts'
import { SearchCompletion } from '../server/search-completion/search-completion.ts'
import { dicomStoreOf, operationUrlsOf } from '../stores/dicom-store.ts'
import { StoreUrls } from '../stores/store-urls.ts'
import { version } from '../version.ts'
import { openAudit } from './audit.ts'

/** Everything that one configuration creates, except the listeners. */
export interface Generation extends HandlerContext {
  readonly settings: Settings
  readonly accounts: readonly ServedAccount[]
  readonly audit: AuditTrail | null
  readonly connections: Connections
  /** Whether this address may connect. */
  readonly allows: (address: string) => boolean
  /** Releases what no other generation uses. */
  close(): Promise<unknown>
}

interface RuntimeOptions {
  readonly logger: Logger
  /** Aborts when the proxy shuts down. */
  readonly ending: AbortSignal
}

/** Resources that the next generation reuses if their settings are the same. */
interface SharedResources {
  readonly audit: SharedResource<AuditTrail | null>
  readonly connections: SharedResource<Connections>
}

const userAgent = `gcp-dicomweb-proxy/${version}`

/**
 * The sequence of configurations. A request keeps the one that was current when it arrived
 * (docs/adr/0025). Lasting state is handed down: tokens by credential, limiters by account and
 * store, connections and audit trail while their settings stay the same.
 */
export class ProxyRuntime {
  readonly generations: RefCounted<Generation>
  readonly #options: RuntimeOptions
  readonly #tokens: TokenCache
  readonly #replayBudget: ReplayBudget
  #shared: SharedResources | null = null

  /** Throws a StartFailure if the audit trail can't be opened. */
  constructor(settings: Settings, options: RuntimeOptions) {
    this.#options = options
    const { refreshInterval } = settings.tokens
    const onRefresh = (tokenKey: string, event: TokenEvent) => this.#logRefresh(tokenKey, event)
    this.#tokens = new TokenCache(new Map(), { refreshInterval, onRefresh })
    this.#replayBudget = new ReplayBudget(settings.retry)
    this.generations = new RefCounted(this.#open(settings, []))
  }

  get current(): Generation {
    return this.generations.current
  }

  /** Open connections to Google, including those of older generations with requests in flight. */
  connectionCounts(): ReturnType<Connections['counts']> {
    const all = [...new Set(this.generations.all.map(({ connections }) => connections))].map((each) => each.counts())
    const sum = (transport: keyof (typeof all)[number]) => ({
      busy: all.reduce((total, counts) => total + counts[transport].busy, 0),
      idle: all.reduce((total, counts) => total + counts[transport].idle, 0),
    })
    return { bodyless: sum('bodyless'), upload: sum('upload') }
  }

  /** Fetches the tokens, and keeps them fresh. */
  start(): void {
    this.#tokens.start()
  }

  /** As {@link start}; resolves when each token has come or failed, or after so many milliseconds. */
  async fetchTokens(timeoutMs: number): Promise<void> {
    this.start()
    const tokens = this.current.accounts.map(async ({ tokens }) => tokens.token())
    await withTimeout(
      timeoutMs,
      Promise.allSettled(tokens).then(() => undefined),
    )
  }

  /** Names of the accounts without a usable token. */
  withoutToken(): readonly string[] {
    return this.current.accounts.filter(({ tokenState }) => !tokenState().usable).map(({ name }) => name)
  }

  /** Applies settings to new requests. Throws, and changes nothing, if they can't be applied. */
  replace(settings: Settings): void {
    this.generations.replace(this.#open(settings, this.current.accounts))
    this.#replayBudget.configure(settings.retry)
    this.#tokens.refreshInterval = settings.tokens.refreshInterval
    for (const { limiters } of this.current.accounts) {
      for (const each of Object.values(limiters)) each.configure(settings.concurrency)
    }
    this.start()
  }

  /** Stops refreshing tokens. Requests in flight are not affected. */
  stop(): void {
    this.#tokens.close()
  }

  /** Closes all connections, and the audit trail. */
  close(): Promise<void> {
    return this.generations.close()
  }

  #open(settings: Settings, before: readonly ServedAccount[]): Generation {
    const { logger, ending } = this.#options
    const { timeouts } = settings.outgoing
    const shared = this.#openShared(settings)
    const { value: connections } = shared.connections
    const { value: audit } = shared.audit
    const tokenKeys = settings.accounts.map(({ credential }) => tokenKeyOf(credential, settings.tokens))
    for (const [at, { credential }] of settings.accounts.entries()) {
      this.#tokens.acquire(tokenKeys[at] ?? '', this.#fetchToken(credential))
    }
    const accounts = settings.accounts.map((account) => this.#servedAccount(account, settings, before))
    const senders = createSenders(connections, settings.outgoing)
    const replayBudget = this.#replayBudget
    const { dispatcher } = connections
    const common = { logger, userAgent, ending }
    const deletions = new Deletions({ ...common, dispatcher, maxWaitMs: settings.deletionWait })
    const attempts = new Attempts({
      ...common,
      senders,
      replayBudget,
      deletions,
      audit,
      retry: settings.retry,
      timeouts,
    })
    const { retry } = settings
    const sender = new BatchSender(connections.uploads, timeouts)
    const parallelUploads = new ParallelUploads({
      attempts: new BatchAttempts({ sender, userAgent, retry, audit, ending, logger }),
      stored: new StoredInstances({ dispatcher, userAgent, timeouts }),
      timeouts,
      ending,
    })
    const searchCompletion = new SearchCompletion({ attempts, dispatcher, timeouts, ending })
    const close = () => {
      for (const key of tokenKeys) this.#tokens.release(key)
      return Promise.all([shared.connections.release(), shared.audit.release()])
    }
    const allows = networkAllowList(settings.allowedNetworks)
    const guard = new Guard(accounts)
    const cors = new Cors(settings)
    return {
      settings,
      accounts,
      audit,
      connections,
      allows,
      guard,
      cors,
      searchCompletion,
      parallelUploads,
      idle: timeouts.idle,
      close,
    }
  }

  #openShared(settings: Settings): SharedResources {
    const before = this.#shared
    // First, because it is the most likely to fail.
    const audit = SharedResource.of(before?.audit ?? null, settings.audit, () =>
      openAudit(settings.audit, this.#options.logger),
    )
    try {
      const connections = SharedResource.of(before?.connections ?? null, settings.outgoing, () =>
        openConnections(settings.outgoing),
      )
      this.#shared = { audit, connections }
      return this.#shared
    } catch (error) {
      void audit.release()
      throw error
    }
  }

  /** Uses the connections and limits that are current when the token is fetched. */
  #fetchToken(credential: Settings['accounts'][number]['credential']): FetchToken {
    return async () => {
      const { value, release } = this.generations.acquire()
      const { fetch, fetchDirect } = value.connections
      try {
        return await createFetchToken(credential, { ...value.settings.tokens, fetch, fetchDirect })()
      } finally {
        release()
      }
    }
  }

  #servedAccount(
    account: Settings['accounts'][number],
    settings: Settings,
    before: readonly ServedAccount[],
  ): ServedAccount {
    const { name, access, project, location, dataset, dicomStore, quotaProject, credential } = account
    const tokenKey = tokenKeyOf(credential, settings.tokens)
    const { resourceName, dicomWebUrl, localPath } = dicomStoreOf(account, settings.baseUrl)
    const known = before.find((one) => one.name === name && one.store === resourceName)
    return {
      name,
      access,
      project,
      location,
      dataset,
      dicomStore,
      quotaProject,
      store: resourceName,
      dicomWebUrl: new URL(dicomWebUrl),
      urls: account.rewriteUrls ? urlsFor(account, settings, localPath) : null,
      privateCache: account.privateCache,
      searchCompletion: servedSearchCompletion(account, settings),
      operationUrl: operationUrlsOf(account, settings.baseUrl),
      tokens: this.#tokens.source(tokenKey),
      credential: new DescribedCredential(credential, settings.tokens.allowedHosts),
      limiters: known?.limiters ?? createLimiters(settings.concurrency),
      parallelStow: parallelStowFor(account, known),
      tokenState: () => this.#tokens.state(tokenKey),
    }
  }

  #logRefresh(tokenKey: string, event: TokenEvent): void {
    const { accounts: all, tokens } = this.current.settings
    const accounts = all.filter(({ credential }) => tokenKeyOf(credential, tokens) === tokenKey).map(({ name }) => name)
    // The account was removed, and only its last requests are still in flight.
    if (accounts.length === 0) return
    const { logger } = this.#options
    if ('error' in event) {
      const retryInSeconds = Math.ceil(event.retryIn / 1000)
      logger.error({ accounts, reason: event.error.message, retryInSeconds }, 'no access token')
    } else {
      logger.info({ accounts, expiresAt: new Date(event.expiresAt).toISOString() }, 'access token fetched')
    }
  }
}

/** Clients that follow a URL in a response must come back to the proxy. */
function urlsFor(
  account: Settings['accounts'][number],
  settings: Settings,
  localPath: string,
): NonNullable<ServedAccount['urls']> {
  const store = new StoreUrls(account, settings.baseUrl)
  const rootFor = clientFacingUrl(settings)
  // Quotation marks would end an attribute in XML.
  const path = localPath.slice(0, -1).replaceAll("'", '%27')
  return (request) => ({ store, to: `${rootFor(request)}${path}` })
}

function servedSearchCompletion(
  { searchCompletion }: Settings['accounts'][number],
  { concurrency }: Settings,
): ServedAccount['searchCompletion'] {
  if (!searchCompletion) return null
  const turns = new ConcurrencyLimiter({ ...concurrency, maxInFlight: searchCompletion.maxSearches })
  return { ...searchCompletion, turns }
}

/** Tokens of different issuers are different tokens. */
function tokenKeyOf(
  credential: Settings['accounts'][number]['credential'],
  { tokenUrl, iamCredentialsUrl }: Settings['tokens'],
): string {
  return [credentialKey(credential), tokenUrl, iamCredentialsUrl].join(' ')
}

/** An account's uploads share theirs over a reload. */
function parallelStowFor(
  { parallelStow: settings }: Settings['accounts'][number],
  known: ServedAccount | undefined,
): ParallelStow | null {
  if (!settings) return null
  known?.parallelStow?.configure(settings)
  return known?.parallelStow ?? new ParallelStow(settings)
}

function createLimiters(concurrency: Settings['concurrency']): ServedAccount['limiters'] {
  const limiter = () => new ConcurrencyLimiter(concurrency)
  return { 'STOW-RS': limiter(), 'QIDO-RS': limiter(), 'WADO-RS': limiter(), DELETE: limiter() }
}
