import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { AccessToken } from '../credentials/access-token.ts'
import { ProxyError } from '../errors.ts'
import type { Forwarder, Outcome } from '../forward/exchange.ts'
import { discardUnread, keepOpenWhileSending } from '../forward/unread-body.ts'
import type { Guard, Permit } from '../guard/guard.ts'
import { outgoingHeaders, returnedHeaders } from '../guard/headers.ts'
import type { Logger } from '../observe/logger.ts'
import { RequestEvent } from '../observe/request-event.ts'
import type { ServedAccount } from './account.ts'
import { answerProblem } from './problem.ts'
import { isRepeatable, repetitionOf, waitBefore } from './repetition.ts'

/** A token that runs out while a long upload is on its way would cost the whole upload. Milliseconds. */
const minimumLifeForUpload = 60_000

interface Parts {
  readonly guard: Guard<ServedAccount>
  readonly forwarder: Forwarder
  readonly logger: Logger
  readonly userAgent: string
  /** False from the moment that the proxy shuts down. */
  readonly accepting: () => boolean
  /** Milliseconds after a request's arrival within which it may be sent to Google again. */
  readonly retryBudget: number
}

/** The way of a request: verdict, token, forwarding, one event. */
export class ExchangeHandler {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * Never rejects.
   *
   * @param target the request target as it came, path and query
   */
  async handle(request: IncomingMessage, response: ServerResponse, target: string): Promise<void> {
    const event = new RequestEvent(request.socket.remoteAddress ?? '', request.method ?? '')
    try {
      if (!this.#parts.accepting()) throw shuttingDown()
      const permit = this.#permitFor(request, target, event)
      conclude(event, await this.#forward(request, response, permit, event))
    } catch (error) {
      this.#answer(response, asProxyError(error), event)
    }
    discardUnread(request, response)
    event.log(this.#parts.logger)
  }

  #permitFor(request: IncomingMessage, target: string, event: RequestEvent): Permit<ServedAccount> {
    const { method, headers } = request
    if (headers.host === undefined && request.httpVersion === '1.1') throw withoutHost()
    const verdict = this.#parts.guard.judge({ method, headers, target })
    event.account = verdict.account?.name
    event.service = verdict.service
    event.route = verdict.route
    if (!verdict.allowed) throw verdict.error
    return verdict
  }

  /** Tries, and tries again where that is safe and the budget allows it; ends with an answer, or throws a ProxyError. */
  async #forward(
    request: IncomingMessage,
    response: ServerResponse,
    permit: Permit<ServedAccount>,
    event: RequestEvent,
  ): Promise<Outcome> {
    const { account, service } = permit
    const deadline = performance.now() + this.#parts.retryBudget
    const repetition = repetitionOf(service, permit.route)
    const holds = (status: number) =>
      status === 401 || (repetition.statuses.has(status) && performance.now() < deadline)
    let rejected: AccessToken | null = null
    for (;;) {
      const token = await this.#tokenFor(account, service, event)
      // No 'close' comes any more that would end a try.
      if (response.destroyed) return { kind: 'cut', by: 'client', status: null }
      if (event.attempts === 0) allowBody(request, response)
      const outcome = await this.#send({ request, response, permit, holds }, token, event)
      if (outcome.kind === 'answered' || outcome.kind === 'cut') return outcome
      if (outcome.kind === 'held' && outcome.answer.status === 401) {
        if (rejected) throw rejectedTwice(account.name)
        rejected = token
        account.tokens.invalidate(token)
        if (outcome.replayable) continue
        // So that the client's next try meets a token that works.
        await this.#tokenFor(account, service, event)
        throw tooLargeToRepeat()
      }
      const wait = waitBefore(event.attempts, outcome)
      if (!isRepeatable(repetition, outcome) || performance.now() + wait > deadline) {
        return giveUp(response, outcome, event)
      }
      if (!(await pause(wait, response))) return { kind: 'cut', by: 'client', status: null }
    }
  }

  async #send(
    { request, response, permit, holds }: Sending,
    token: AccessToken,
    event: RequestEvent,
  ): Promise<Outcome> {
    const { account, service, route, path } = permit
    const { dicomWebUrl: origin, urls } = account
    const headers = this.#headersFor(request, account, token)
    event.attempts += 1
    const { requestId, attempts: attempt, progress } = event
    const exchange = { request, response, service, origin, path, headers, urls, holds, progress }
    const outcome = await this.#parts.forwarder.forward(exchange, token)
    const { kind } = outcome
    const status = outcome.kind === 'held' ? outcome.answer.status : 'status' in outcome ? outcome.status : null
    this.#parts.logger.debug(
      { requestId, account: account.name, service, route, attempt, kind, status },
      'sent to Google',
    )
    return outcome
  }

  async #tokenFor({ tokens }: ServedAccount, service: string, event: RequestEvent): Promise<AccessToken> {
    const token = await tokens.token(service === 'STOW-RS' ? minimumLifeForUpload : 0)
    event.tokenReceived()
    return token
  }

  #headersFor(request: IncomingMessage, account: ServedAccount, token: AccessToken): Record<string, string> {
    const quotaProject = account.quotaProject ?? token.quotaProject
    const headers = outgoingHeaders(request.headers)
    headers['user-agent'] = this.#parts.userAgent
    // A compressed answer could not be rewritten.
    if (account.urls) delete headers['accept-encoding']
    // Who pays: https://cloud.google.com/apis/docs/system-parameters
    if (quotaProject) headers['x-goog-user-project'] = quotaProject
    return headers
  }

  #answer(response: ServerResponse, error: ProxyError, event: RequestEvent): void {
    event.code = error.code
    event.layer = error.layer
    event.detail = error.message
    event.status = error.status
    if (error.code === 'internal') this.#parts.logger.error({ err: error.cause, requestId: event.requestId }, 'failure')
    if (response.destroyed) {
      event.status = null
      event.cutBy = 'client'
    } else {
      answerProblem(response, error, event)
    }
  }
}

function conclude(event: RequestEvent, outcome: Outcome): void {
  if (outcome.kind === 'held' || outcome.kind === 'failed') return
  event.status = outcome.status
  event.detail = outcome.status === null ? undefined : hints[outcome.status]
  if (outcome.kind === 'cut') event.cutBy = outcome.by
}

/** For the log: what Google's refusals mean that look alike to a client. Google says 403 of a store that does not exist, too. */
const hints: Readonly<Record<number, string>> = {
  403: 'Google refuses: grant the credential roles/healthcare.dicomEditor (to read only, dicomViewer) on this store, and check Project, Location, Dataset and DicomStore: a store that does not exist is refused, too.',
  429: 'Google limits the rate: send less at once, or ask Google for a higher quota of this project.',
}

interface Sending {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly permit: Permit<ServedAccount>
  readonly holds: (status: number) => boolean
}

/** A client that asks before it sends (RFC 9110 10.1.1) asks us: nothing stands in the way of its body any more. */
function allowBody(request: IncomingMessage, response: ServerResponse): void {
  if (/100-continue/i.test(request.headers.expect ?? '') && request.httpVersion === '1.1') response.writeContinue()
}

/** The last that Google said goes to the client whole; if it said nothing, the proxy says why. */
function giveUp(
  response: ServerResponse,
  outcome: Extract<Outcome, { kind: 'held' | 'failed' }>,
  event: RequestEvent,
): Outcome {
  if (outcome.kind === 'failed') throw outcome.error
  const { status, headers, body } = outcome.answer
  keepOpenWhileSending(response)
  response.writeHead(status, {
    ...returnedHeaders(headers),
    ...(response.req.method !== 'HEAD' && { 'content-length': body.length }),
    'proxy-status': `gcp-dicomweb-proxy; received-status=${status}; details="attempts=${event.attempts}"`,
  })
  response.end(body)
  event.progress.sent += body.length
  return { kind: 'answered', status }
}

/** False when the client left meanwhile. */
async function pause(milliseconds: number, response: ServerResponse): Promise<boolean> {
  const left = new AbortController()
  const onClose = () => left.abort()
  response.once('close', onClose)
  await delay(milliseconds, undefined, { signal: left.signal }).catch(() => {})
  response.off('close', onClose)
  return !response.destroyed
}

function asProxyError(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error
  return new ProxyError('internal', "This should not happen: see the proxy's log, and report it.", { cause: error })
}

function withoutHost(): ProxyError {
  return new ProxyError('malformed-request', 'An HTTP/1.1 request needs a Host header (RFC 9112 3.2).')
}

function shuttingDown(): ProxyError {
  const detail = 'The proxy ends, or is being started anew: send the request again in a moment.'
  return new ProxyError('shutting-down', detail, { retryAfter: 5 })
}

function tooLargeToRepeat(): ProxyError {
  const detail =
    'Google rejected the access token while the instances were being sent, and they are too many to be kept and sent again from here. A fresh token is ready: send them again.'
  return new ProxyError('token-renewed', detail, { retryAfter: 1 })
}

function rejectedTwice(account: string): ProxyError {
  const detail = `Google rejects even a fresh access token of account ${account}: its service account or user may be disabled, or the token may be for another API. Check the credential.`
  return new ProxyError('token-rejected', detail)
}
