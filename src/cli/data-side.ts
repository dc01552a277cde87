import type { FastifyInstance } from 'fastify'
import type { Settings } from '../config/settings.ts'
import type { TlsMaterial } from '../config/tls.ts'
import { RecordedRefusals } from '../observe/audit/recorded-refusals.ts'
import { type Logger, levelOf } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics/metrics.ts'
import type { RefusalLog } from '../observe/refusal-log.ts'
import type { RequestHistory } from '../observe/request-history.ts'
import type { Tracing } from '../observe/tracing.ts'
import { createDataListener, limitTimes } from '../server/data-listener.ts'
import { ExchangeHandler, shuttingDown } from '../server/exchange-handler.ts'
import { tlsOptions } from '../server/tls.ts'
import type { Access } from './access.ts'
import { Generations, type OpenAudit } from './generations.ts'
import { listen, renewTls } from './listen.ts'
import { within } from './within.ts'

interface Parts {
  readonly logger: Logger
  readonly tracing: Tracing
  readonly access: Pick<Access, 'clientOf'>
  readonly refusals: RefusalLog
  readonly history: Pick<RequestHistory, 'began' | 'record'>
  readonly metrics: Pick<Metrics, 'record'>
  /** What the files of Tls hold; null: plain http. */
  readonly material: TlsMaterial | null
  readonly openAudit: OpenAudit
}

/** What a request goes through: listener, clients, guard, tokens, connections to Google, audit trail. */
export class DataSide {
  readonly generations: Generations
  /** For what is refused before it is a request, on either listener. */
  readonly recorded: RecordedRefusals
  readonly #parts: Parts
  readonly #ending = new AbortController()
  readonly #graceOver = new AbortController()
  readonly #handler: ExchangeHandler
  readonly #listener: FastifyInstance

  /** Throws a CommandFailure if the audit trail can't be opened. */
  constructor(settings: Settings, parts: Parts) {
    const { access, openAudit, material, ...seen } = parts
    const { logger, refusals } = seen
    this.#parts = parts
    const ending = this.#ending.signal
    this.generations = new Generations(settings, { logger, ending, openAudit })
    this.#handler = new ExchangeHandler({
      ...seen,
      clientOf: access.clientOf,
      serving: this.generations.inUse,
      ending,
      graceOver: this.#graceOver.signal,
    })
    this.recorded = new RecordedRefusals(refusals, () => this.generations.current.audit)
    const { requestHead, tls } = settings
    const requireClientCertificate = tls?.requireClientCertificate ?? false
    this.#listener = createDataListener((...exchange) => this.#handler.handle(...exchange), {
      log: this.recorded,
      limits: () => this.generations.current.settings.limits,
      allows: (address) => this.generations.current.allows(address),
      requestHead,
      tls: material && tlsOptions(material, { requireClientCertificate, handshakeTimeout: requestHead }),
    })
  }

  /** False from the moment that it is told to end. */
  get accepting(): boolean {
    return !this.#ending.signal.aborted
  }

  /** The root of the listener, once it listens. */
  listen(): Promise<string> {
    return listen(this.#listener, this.generations.current.settings.listen)
  }

  /** Fetches the tokens, and keeps them fresh from here on. */
  start(): void {
    this.generations.start()
  }

  /** Resolves when each account has a token, or could not be given one. */
  async firstTokens(): Promise<void> {
    await Promise.allSettled(this.generations.current.accounts.map(({ tokens }) => tokens.token()))
  }

  /** Serves by these settings from the next request on. Throws when that can't be, and then nothing has changed. */
  replace(next: Settings): void {
    const { logger, refusals } = this.#parts
    const before = this.generations.current.settings
    this.generations.replace(next)
    // From here on nothing fails: all of it is in force, or nothing.
    refusals.perMinute = next.limits.logLines
    limitTimes(this.#listener, next.requestHead, next.limits.idleConnection)
    if (next.verbose !== before.verbose) logger.level = levelOf(next)
  }

  /** For the next connection on. */
  renewTls(material: TlsMaterial): void {
    renewTls(this.#listener, material)
  }

  /**
   * Takes no more requests, lets those under way finish within the grace, then cuts them.
   *
   * @returns how many connections had to be cut
   */
  async end(): Promise<number> {
    this.#ending.abort(shuttingDown())
    const { shutdownGrace } = this.generations.current.settings
    const cut = await closeWithin(this.#listener, shutdownGrace, this.#graceOver)
    // What was cut may still wait for a token, which nobody needs any more.
    await within(lastLines, this.#handler.concluded())
    this.generations.stop()
    return cut
  }

  /** Closes what is still open after the end: the connections to Google, and the audit trail. */
  async close(): Promise<void> {
    this.#parts.refusals.close()
    await this.generations.close()
  }
}

/** How long (ms) the requests that were cut may take to write their lines into the log. */
const lastLines = 1_000

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
