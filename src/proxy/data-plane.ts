import type { FastifyInstance } from 'fastify'
import { withTimeout } from '../concurrency/with-timeout.ts'
import type { Settings } from '../config/settings.ts'
import type { TlsMaterial } from '../config/tls.ts'
import type { Log } from '../observe/logger.ts'
import { createDataListener, limitTimes } from '../server/data-listener.ts'
import { ExchangeHandler } from '../server/exchange-handler.ts'
import { tlsOptions } from '../server/tls.ts'
import { listen, renewTls } from './listen.ts'
import type { ProxyRuntime } from './runtime.ts'

type HandlerParts = Omit<ConstructorParameters<typeof ExchangeHandler>[0], 'serving' | 'graceOver'>

interface Options {
  readonly generations: ProxyRuntime
  /** For what is refused before it is a request. */
  readonly log: Log
  /** What the files of Tls hold; null: plain http. */
  readonly material: TlsMaterial | null
}

/** What clients send requests to: the data listener, and the handler of its requests. */
export class DataPlane {
  readonly #generations: ProxyRuntime
  readonly #graceOver = new AbortController()
  readonly #handler: ExchangeHandler
  readonly #listener: FastifyInstance

  constructor(parts: HandlerParts, { generations, log, material }: Options) {
    this.#generations = generations
    this.#handler = new ExchangeHandler({
      ...parts,
      serving: generations.generations,
      graceOver: this.#graceOver.signal,
    })
    const { requestHead, tls } = generations.current.settings
    const requireClientCertificate = tls?.requireClientCertificate ?? false
    this.#listener = createDataListener((...exchange) => this.#handler.handle(...exchange), {
      log,
      limits: () => generations.current.settings.limits,
      allows: (address) => generations.current.allows(address),
      requestHead,
      tls: material && tlsOptions(material, { requireClientCertificate, handshakeTimeout: requestHead }),
    })
  }

  /** The root of the listener, once it listens. */
  listen(): Promise<string> {
    return listen(this.#listener, this.#generations.current.settings.listen)
  }

  /** Other limits on the time that clients may take. */
  replace({ requestHead, limits }: Settings): void {
    limitTimes(this.#listener, requestHead, limits.idleConnection)
  }

  /** For the next connection on. */
  renewTls(material: TlsMaterial): void {
    renewTls(this.#listener, material)
  }

  /**
   * Lets requests under way finish within the grace, then cuts them.
   *
   * @returns how many connections had to be cut
   */
  async close(): Promise<number> {
    const cut = await closeWithin(this.#listener, this.#generations.current.settings.shutdownGrace, this.#graceOver)
    // What was cut may still wait for a token, which nobody needs any more.
    await withTimeout(concludeTimeoutMs, this.#handler.concluded())
    return cut
  }
}

/** How long (ms) the requests that were cut may take to write their lines into the log. */
const concludeTimeoutMs = 1_000

/** How often (ms) connections are looked for that have become idle, while their listener closes. */
const pollIntervalMs = 100

/** Closes idle connections at once and busy ones when their request ends, but none later than the grace. */
async function closeWithin(listener: FastifyInstance, grace: number, graceOver: AbortController): Promise<number> {
  const { server } = listener
  let aborted = 0
  // Closing ends what is idle at that moment only; a client would keep its connection long after its last answer.
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
