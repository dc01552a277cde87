import type { FastifyInstance } from 'fastify'
import { withTimeout } from '../concurrency/abort.ts'
import type { Settings } from '../config/settings.ts'
import type { TlsMaterial } from '../config/tls.ts'
import type { Inbound } from '../downstream/inbound.ts'
import type { Log } from '../observe/logger.ts'
import { createDataListener, setTimeouts } from '../server/data-listener.ts'
import { ExchangeHandler } from '../server/exchange-handler.ts'
import { tlsOptions } from '../server/tls.ts'
import { type ListeningSocket, listen, renewTls, socketOf, stopAccepting } from './listen.ts'
import type { ProxyRuntime } from './runtime.ts'

type SharedHandlerOptions = Omit<ConstructorParameters<typeof ExchangeHandler>[0], 'contexts' | 'graceOver'>

/** What both planes are built with. */
export interface PlaneOptions {
  readonly runtime: ProxyRuntime
  /** For rejected peers. */
  readonly log: Log
  /** The contents of the Tls files; null: plain http. */
  readonly material: TlsMaterial | null
}

/** The data listener, and the handler of its requests. */
export class DataPlane {
  readonly #runtime: ProxyRuntime
  readonly #graceOver = new AbortController()
  readonly #draining = new AbortController()
  readonly #handler: ExchangeHandler
  readonly #listener: FastifyInstance

  constructor(handlerOptions: SharedHandlerOptions, { runtime, log, material }: PlaneOptions) {
    this.#runtime = runtime
    this.#handler = new ExchangeHandler({
      ...handlerOptions,
      contexts: runtime.generations,
      graceOver: this.#graceOver.signal,
    })
    const { requestHeaders, tls } = runtime.current.settings
    const { requireClientCertificate = false, http2 = false } = tls ?? {}
    this.#listener = createDataListener((inbound: Inbound) => this.#handler.handle(inbound), {
      log,
      limits: () => runtime.current.settings.limits,
      allows: (address) => runtime.current.allows(address),
      headersTimeout: requestHeaders,
      tls: material && tlsOptions(material, { requireClientCertificate, handshakeTimeout: requestHeaders, http2 }),
      draining: this.#draining.signal,
      maxStreams: http2 ? () => maxStreamsFor(runtime.current.settings) : null,
    })
  }

  /**
   * Resolves with the listener's root URL.
   *
   * @param inherited of the process before; null if there was none
   */
  listen(inherited: ListeningSocket | null): Promise<string> {
    return listen(this.#listener, this.#runtime.current.settings.listen, inherited)
  }

  get socket(): ListeningSocket | null {
    return socketOf(this.#listener, this.#runtime.current.settings.listen)
  }

  /**
   * Accepts no more connections, and resolves when those that are open have ended: each after its
   * next response, or when it has been idle for `KeepAliveTimeout`. Requests are served as long as
   * they take.
   */
  async drain(): Promise<void> {
    this.#handler.closeAfterResponses()
    const drained = stopAccepting(this.#listener)
    this.#draining.abort()
    await drained
  }

  /** Other limits on the time that clients may take. */
  replace({ requestHeaders, limits }: Settings): void {
    setTimeouts(this.#listener, requestHeaders, limits.keepAliveTimeout)
  }

  /** Applies to new connections. */
  renewTls(material: TlsMaterial): void {
    renewTls(this.#listener, material)
  }

  /**
   * Lets requests in flight finish within the grace period, then aborts them.
   *
   * @returns the number of connections closed by force
   */
  async close(): Promise<number> {
    const aborted = await closeWithin(this.#listener, this.#runtime.current.settings.shutdownGrace, this.#graceOver)
    // An aborted request may still wait for a token that nobody needs now.
    await withTimeout(concludeTimeoutMs, this.#handler.concluded())
    return aborted
  }
}

/** Streams on a connection of HTTP/2 at the most; Google advises viewers to use 20. */
const maxStreams = 100

/** Fewer than there are slots at Google, so that no connection takes all of them. */
function maxStreamsFor({ concurrency }: Settings): number {
  return Math.max(1, Math.min(Math.floor((concurrency.maxInFlight * 3) / 4), maxStreams))
}

/** Time for aborted requests to write their log lines. */
const concludeTimeoutMs = 1_000

const pollIntervalMs = 100

/**
 * Closes idle connections immediately, busy ones when their request ends or the grace period is
 * over.
 */
async function closeWithin(listener: FastifyInstance, grace: number, graceOver: AbortController): Promise<number> {
  const { server } = listener
  let aborted = 0
  // Closing a server closes only connections that are idle at that moment. Others would stay open
  // after their last response.
  const poll = setInterval(() => server.closeIdleConnections(), pollIntervalMs)
  const timeout = setTimeout(() => {
    graceOver.abort()
    server.getConnections((_error, count) => {
      aborted = count ?? 0
      server.closeAllConnections()
    })
  }, grace)
  await listener.close()
  clearInterval(poll)
  clearTimeout(timeout)
  return aborted
}
