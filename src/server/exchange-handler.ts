import { InFlight } from '../concurrency/in-flight.ts'
import type { Lease } from '../concurrency/ref-counted.ts'
import type { Inbound, InboundRequest, InboundResponse } from '../downstream/inbound.ts'
import { flushTimeout } from '../downstream/min-rate.ts'
import { bug, ProxyError } from '../errors.ts'
import type { Outcome } from '../forward/exchange.ts'
import { canonicalAddress } from '../guard/address.ts'
import type { Client } from '../guard/client.ts'
import type { Cors } from '../guard/cors.ts'
import type { Guard, Permit } from '../guard/guard.ts'
import { isOwnWord } from '../guard/query.ts'
import { validateRequestHead } from '../guard/request-head.ts'
import { userOf } from '../guard/user-header.ts'
import { AuditSubjects, requestedIds } from '../observe/audit/audit-subjects.ts'
import type { AuditTrail } from '../observe/audit/audit-trail.ts'
import type { Log, Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics/metrics.ts'
import { RequestEvent } from '../observe/request-event.ts'
import type { RequestHistory } from '../observe/request-history.ts'
import type { Tracing } from '../observe/tracing.ts'
import type { ServedAccount } from './account.ts'
import { checkRecordable } from './check-recordable.ts'
import { explain } from './explanation.ts'
import type { ParallelUploads } from './parallel-stow/parallel-uploads.ts'
import { allowReading, respondToPreflight } from './preflight.ts'
import { sendProblem } from './problem.ts'
import type { SearchCompletion } from './search-completion/search-completion.ts'

/** The parts that handle requests under one configuration. */
export interface HandlerContext {
  readonly guard: Guard<ServedAccount>
  readonly searchCompletion: SearchCompletion
  /** For uploads that are sent in batches. */
  readonly parallelUploads: ParallelUploads
  /** Which pages' requests are accepted. */
  readonly cors: Cors
  /** The flush timeout of responses (ms). */
  readonly idle: number
  /** Null when none is kept. */
  readonly audit: Pick<AuditTrail, 'accepting' | 'record'> | null
}

interface HandlerOptions {
  /**
   * Authenticates the client; at once, if it is known already. Throws or rejects with a ProxyError.
   */
  readonly clientOf: (request: InboundRequest) => Client | Promise<Client>
  /** A request leases the current one on arrival, and releases it when it has ended. */
  readonly contexts: { acquire(): Lease<HandlerContext> }
  readonly logger: Logger
  /** For requests of unauthenticated clients. */
  readonly rejectionLog: Log
  /** Aborts when the proxy is told to end. */
  readonly ending: AbortSignal
  /** Aborts when the grace is over: connections are cut then. */
  readonly graceOver: AbortSignal
  readonly history: Pick<RequestHistory, 'began' | 'record'>
  readonly metrics: Pick<Metrics, 'record'>
  readonly tracing: Pick<Tracing, 'begin'>
}

/** A request's way: client, verdict, attempts, one event. */
export class ExchangeHandler {
  readonly #options: HandlerOptions
  readonly #inFlight = new InFlight<InboundResponse>()
  #onConcluded: (() => void) | null = null
  #isLastOnConnection = false

  constructor(options: HandlerOptions) {
    this.#options = options
    options.ending.addEventListener('abort', () => this.closeAfterResponses())
  }

  /** Takes a request over. Never rejects; resolves when it has ended. */
  async handle(inbound: Inbound): Promise<void> {
    const { response } = inbound
    const { value: context, release } = this.#options.contexts.acquire()
    flushTimeout(inbound, context.idle)
    this.#inFlight.add(response)
    // It has come on an idle connection, or waited behind a response that had begun.
    if (this.#isLastOnConnection) response.shouldKeepAlive = false
    allowReading(inbound, context.cors)
    try {
      if (respondToPreflight(inbound)) this.#options.logger.debug(addressOf(inbound), 'preflight')
      else await this.#exchange(inbound, context)
    } finally {
      this.#inFlight.remove(response)
      release()
      if (this.#inFlight.size === 0) this.#onConcluded?.()
    }
  }

  /**
   * Resolves when all requests that were taken over have ended, and have their line in the log. To
   * be called once.
   */
  async concluded(): Promise<void> {
    if (this.#inFlight.size > 0) await new Promise<void>((resolve) => (this.#onConcluded = resolve))
  }

  /**
   * From here on, each connection closes after its next response, and the client knows it by the
   * response's headers: it doesn't send a request on a connection that closes just then.
   */
  closeAfterResponses(): void {
    this.#isLastOnConnection = true
    for (const response of this.#inFlight) if (!response.headersSent) response.shouldKeepAlive = false
  }

  /** Never rejects. */
  async #exchange(
    inbound: Inbound,
    { guard, searchCompletion, parallelUploads, cors, audit }: HandlerContext,
  ): Promise<void> {
    const { request } = inbound
    const subjects = audit && new AuditSubjects()
    const address = canonicalAddress(request.socket.remoteAddress)
    const event = new RequestEvent(address, request.method ?? '', subjects, request.httpVersion)
    event.expected = Number(request.headers['content-length']) || undefined
    this.#options.history.began(event)
    let isUnauthenticated = true
    try {
      this.#options.ending.throwIfAborted()
      validateRequestHead(request)
      // Before the login, which a browser may send for any page.
      cors.check(request)
      const found = this.#options.clientOf(request)
      const client = found instanceof Promise ? await found : found
      event.client = client.name ?? undefined
      isUnauthenticated = false
      event.user = userOf(request, client)
      event.trace = this.#options.tracing.begin(event, request.headers)
      const permit = permitFor(guard, request, client, event)
      checkRecordable(audit)
      const boundary = parallelUploads.boundaryOf(inbound, permit)
      const prepared = boundary === null ? searchCompletion.prepare(permit) : parallelUploads.prepare(permit, boundary)
      const outcome = await prepared.run(inbound, event)
      const unreadable = outcome.kind === 'aborted' && outcome.by === 'client' ? inbound.unreadable : null
      if (unreadable) recordError(event, unreadable)
      else explain(event, this.#attributeAbort(outcome), prepared.permit)
    } catch (error) {
      this.#sendProblem(inbound, asProxyError(error), event)
    }
    inbound.drain(isUnauthenticated)
    event.log(isUnauthenticated ? this.#options.rejectionLog : this.#options.logger)
    event.trace?.end(event)
    this.#options.history.record(event)
    this.#options.metrics.record(event)
    audit?.record(event, isUnauthenticated)
  }

  /**
   * A connection that the proxy resets at the end of the grace looks to the transports like a
   * client that left.
   */
  #attributeAbort(outcome: Outcome): Outcome {
    return outcome.kind === 'aborted' && outcome.by === 'client' ? { ...outcome, by: this.#abortedBy } : outcome
  }

  get #abortedBy(): 'client' | 'proxy' {
    return this.#options.graceOver.aborted ? 'proxy' : 'client'
  }

  #sendProblem(inbound: Inbound, error: ProxyError, event: RequestEvent): void {
    recordError(event, error)
    if (error.code === 'internal')
      this.#options.logger.error({ err: error.cause, requestId: event.requestId }, 'failure')
    if (inbound.response.destroyed) {
      event.status = null
      event.abortedBy = this.#abortedBy
    } else {
      sendProblem(inbound, error, event)
    }
  }
}

function addressOf({ request }: Inbound): { address: string } {
  return { address: canonicalAddress(request.socket.remoteAddress) }
}

function permitFor(
  guard: Guard<ServedAccount>,
  { method, headers, url: target = '' }: InboundRequest,
  client: Client,
  event: RequestEvent,
): Permit<ServedAccount> {
  const verdict = guard.judge({ method, headers, target }, client)
  event.account = verdict.account?.name
  event.service = verdict.service
  event.route = verdict.route
  if (event.subjects) event.subjects.store = verdict.account?.dicomWebUrl.href
  if (event.subjects && verdict.route && verdict.target) {
    event.subjects.requested = requestedIds(verdict.route, verdict.target.segments, verdict.target.query)
  }
  if (!verdict.allowed) throw verdict.error
  return verdict
}

function recordError(event: RequestEvent, error: ProxyError): void {
  event.code = error.code
  event.layer = error.layer
  event.detail = error.layer === 'client' ? withoutClientWords(error.message) : error.message
  event.reason = error.reason
  event.status = error.status
}

/** A refusal may quote the name of a parameter, which may be anything. */
function withoutClientWords(message: string): string {
  return message.replaceAll(/ "([^"]*)"/g, (quoted, word: string) => (isOwnWord(word) ? quoted : ''))
}

function asProxyError(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error
  return new ProxyError('internal', bug, { cause: error })
}

/** The response to requests that the shutdown stops before they were sent. */
export function shuttingDown(): ProxyError {
  const problem = 'The proxy is shutting down or restarting.'
  return new ProxyError('shutting-down', { problem, remedy: 'Send the request again in a moment.' }, { retryAfter: 5 })
}
