import { LRUCache } from 'lru-cache'
import { Backoff } from '../concurrency/backoff.ts'
import { type Diagnosis, ProxyError } from '../errors.ts'
import { type AccessToken, alreadyExpired, type FetchToken, TokenFailure, type TokenSource } from './access-token.ts'

/**
 * Below this remaining life (ms) a token is refreshed in the background, and still used meanwhile.
 */
const refreshAheadMs = 5 * 60_000

/** Room for those of a configuration and of the one before, while requests still need it. */
const maxCredentials = 1_000

/** What the world may know of a credential's token: for readiness, status and logs. */
export interface TokenState {
  /** True when a request would get a token right now. */
  readonly usable: boolean
  readonly expiresAt: number | null
  readonly fetchedAt: number | null
  /** The last failure, if the last attempt failed. */
  readonly failure: string | null
  readonly nextAttemptAt: number | null
  /** How often a token was asked for since the start, and how often none came. */
  readonly refreshes: number
  readonly failures: number
}

/** What the cache reports of each attempt; `error` is absent on success. */
export type TokenEvent = { readonly expiresAt: number } | { readonly error: TokenFailure; readonly retryIn: number }

interface TokenCacheOptions {
  /** Maximum interval (ms) between token expiry checks. */
  refreshInterval: number
  /** Told of each refresh, with the key of the credential that it was for. */
  onRefresh?: (tokenKey: string, event: TokenEvent) => void
}

interface Credential {
  fetch: FetchToken
  /** How many hold it: see {@link TokenCache.acquire}. */
  refCount: number
  readonly backoff: Backoff
  /** The value that Google rejected last; the cache may still hold it. */
  rejected: string | null
  failure: TokenFailure | null
  refreshes: number
  failures: number
  timer: NodeJS.Timeout | null
}

interface CachedToken extends AccessToken {
  readonly fetchedAt: number
  /** Its end on the monotonic clock. */
  readonly endsAt: number
}

/**
 * The access tokens of all credentials. Accounts with the same credential share a key, and so
 * a token.
 *
 * lru-cache gives the single flight (`fetchMethod`) and keeps the old value while a new one is
 * fetched or when that fails. It decides nothing about expiry: its staleness is unbounded, so the
 * expiry stands in the value and is checked here. Nothing is ever deleted from it while a fetch
 * runs, because that would reject everyone who waits.
 */
export class TokenCache {
  readonly #tokens: LRUCache<string, CachedToken>
  readonly #credentials = new Map<string, Credential>()
  /** Maximum interval (ms) between token expiry checks; applies from the next check on. */
  refreshInterval: number
  readonly #onRefresh: NonNullable<TokenCacheOptions['onRefresh']>
  #closed = false

  constructor(credentials: ReadonlyMap<string, FetchToken>, { refreshInterval, onRefresh }: TokenCacheOptions) {
    this.refreshInterval = refreshInterval
    this.#onRefresh = onRefresh ?? (() => {})
    for (const [tokenKey, fetch] of credentials) this.acquire(tokenKey, fetch)
    this.#tokens = new LRUCache<string, CachedToken>({
      // An evicted token would only be fetched again, but none is ever evicted.
      max: Math.max(2 * credentials.size, maxCredentials),
      fetchMethod: (tokenKey) => this.#fetch(tokenKey),
      noDeleteOnFetchRejection: true,
    })
  }

  /**
   * Adds a credential, or a reference to it; each needs a {@link release} of its own. A cached
   * token stays. The next one comes by this `fetch`, without the backoff of earlier failures.
   */
  acquire(tokenKey: string, fetch: FetchToken): void {
    const known = this.#credentials.get(tokenKey)
    const credential = known ?? newCredential(fetch)
    credential.fetch = fetch
    credential.refCount += 1
    credential.backoff.succeeded()
    this.#credentials.set(tokenKey, credential)
  }

  /**
   * Call this when no request needs the reference any more. After the last one the token is
   * forgotten.
   */
  release(tokenKey: string): void {
    const credential = this.#credential(tokenKey)
    credential.refCount -= 1
    if (credential.refCount > 0) return
    if (credential.timer) clearTimeout(credential.timer)
    this.#credentials.delete(tokenKey)
    // Only the cache itself waits for a fetch that is in flight.
    this.#tokens.delete(tokenKey)
  }

  /**
   * Fetches every token that is not there now, and keeps each ahead of its expiry from here on,
   * also when no request comes. To be called again when there are more.
   */
  start(): void {
    for (const tokenKey of this.#credentials.keys()) this.#refreshIfAgeing(tokenKey)
  }

  /** Ends the refreshing. Fetches in flight end by themselves, within their own time limit. */
  close(): void {
    this.#closed = true
    for (const credential of this.#credentials.values()) {
      if (credential.timer) clearTimeout(credential.timer)
    }
  }

  source(tokenKey: string): TokenSource {
    return {
      token: (minimumLife) => this.#token(tokenKey, minimumLife ?? 0),
      invalidate: (rejected) => this.#invalidate(tokenKey, rejected),
    }
  }

  state(tokenKey: string): TokenState {
    const credential = this.#credential(tokenKey)
    const token = this.#cached(tokenKey)
    return {
      usable: this.#usable(tokenKey, token, 0),
      expiresAt: token?.expiresAt ?? null,
      fetchedAt: token?.fetchedAt ?? null,
      failure: credential.failure?.message ?? null,
      nextAttemptAt: credential.failure ? Date.now() + credential.backoff.remaining() : null,
      refreshes: credential.refreshes,
      failures: credential.failures,
    }
  }

  #token(tokenKey: string, minimumLife: number): AccessToken | Promise<AccessToken> {
    const token = this.#cached(tokenKey)
    if (this.#usable(tokenKey, token, minimumLife)) {
      if (ageing(token)) this.#refreshBehind(tokenKey)
      return token
    }
    return this.#refreshForRequest(tokenKey)
  }

  async #refreshForRequest(tokenKey: string): Promise<AccessToken> {
    const credential = this.#credential(tokenKey)
    const wait = credential.backoff.remaining()
    if (wait > 0) throw unavailable(credential.failure, wait)
    try {
      return await this.#refresh(tokenKey)
    } catch (error) {
      throw unavailable(error, credential.backoff.remaining())
    }
  }

  #refreshBehind(tokenKey: string): void {
    if (this.#credential(tokenKey).backoff.remaining() > 0) return
    // The failure is recorded where the fetch is; the request that got the old token must not fail.
    this.#refresh(tokenKey).catch(() => {})
  }

  /** One fetch at a time: requests that come while it runs share its result. */
  async #refresh(tokenKey: string): Promise<AccessToken> {
    try {
      const token = await this.#tokens.fetch(tokenKey, { forceRefresh: true })
      if (!token) throw new TokenFailure(unexpected)
      return token
    } finally {
      this.#schedule(tokenKey)
    }
  }

  async #fetch(tokenKey: string): Promise<CachedToken> {
    const credential = this.#credential(tokenKey)
    credential.refreshes += 1
    const report = (event: TokenEvent) => {
      if (credential.refCount > 0) this.#onRefresh(tokenKey, event)
    }
    try {
      const token = await credential.fetch()
      const fetchedAt = Date.now()
      const life = token.expiresAt - fetchedAt
      if (life <= 0) throw new TokenFailure(alreadyExpired)
      credential.backoff.succeeded()
      credential.failure = null
      report({ expiresAt: token.expiresAt })
      return { ...token, fetchedAt, endsAt: performance.now() + life }
    } catch (error) {
      credential.backoff.failed()
      credential.failure = asFailure(error)
      credential.failures += 1
      report({ error: credential.failure, retryIn: credential.backoff.remaining() })
      throw credential.failure
    }
  }

  /**
   * Checks the remaining life, and again at each poll interval: a timer set once to the expiry
   * would be wrong after a sleep or a changed clock.
   */
  #refreshIfAgeing(tokenKey: string): void {
    const token = this.#cached(tokenKey)
    if (!this.#usable(tokenKey, token, 0) || ageing(token)) this.#refreshBehind(tokenKey)
    this.#schedule(tokenKey)
  }

  #schedule(tokenKey: string): void {
    const credential = this.#credentials.get(tokenKey)
    if (this.#closed || !credential) return
    const token = this.#cached(tokenKey)
    const untilAgeing = token ? remaining(token) - margin(token) : this.refreshInterval
    const untilNextAttempt = credential.backoff.remaining()
    const delay = untilNextAttempt || Math.min(Math.max(untilAgeing, 1000), this.refreshInterval)
    if (credential.timer) clearTimeout(credential.timer)
    credential.timer = setTimeout(() => this.#refreshIfAgeing(tokenKey), delay)
    credential.timer.unref()
  }

  #invalidate(tokenKey: string, rejected: AccessToken): void {
    // A late response to an old token must not throw away a newer one.
    if (this.#cached(tokenKey)?.value === rejected.value) this.#credential(tokenKey).rejected = rejected.value
  }

  #usable(tokenKey: string, token: CachedToken | undefined, minimumLife: number): token is CachedToken {
    if (!token || token.value === this.#credential(tokenKey).rejected) return false
    return remaining(token) > minimumLife
  }

  #cached(tokenKey: string): CachedToken | undefined {
    return this.#tokens.peek(tokenKey, { allowStale: true })
  }

  #credential(tokenKey: string): Credential {
    const credential = this.#credentials.get(tokenKey)
    if (!credential) throw new Error('No such credential')
    return credential
  }
}

function newCredential(fetch: FetchToken): Credential {
  const state = { rejected: null, failure: null, refreshes: 0, failures: 0, timer: null }
  return { fetch, refCount: 0, backoff: new Backoff(), ...state }
}

function ageing(token: CachedToken): boolean {
  return remaining(token) < margin(token)
}

/**
 * By the clock that says less: the wall clock may be set back, and the monotonic one stands still
 * while a machine sleeps.
 */
function remaining(token: CachedToken): number {
  return Math.min(token.expiresAt - Date.now(), token.endsAt - performance.now())
}

/**
 * Issuers may give tokens of a few minutes: those are refreshed at half of their life, not at every
 * request.
 */
function margin(token: CachedToken): number {
  return Math.min(refreshAheadMs, (token.expiresAt - token.fetchedAt) / 2)
}

function asFailure(error: unknown): TokenFailure {
  if (error instanceof TokenFailure) return error
  return new TokenFailure(unexpected, { cause: error })
}

const unexpected: Diagnosis = {
  code: 'unexpected',
  problem: 'Fetching the access token failed unexpectedly; the proxy keeps trying.',
  remedy: 'Report it if it persists.',
}

function unavailable(cause: unknown, wait: number): ProxyError {
  const { problem, remedy } = asFailure(cause)
  return new ProxyError(
    'token-unavailable',
    { problem, remedy },
    { cause, retryAfter: Math.max(1, Math.ceil(wait / 1000)) },
  )
}
