import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessToken } from '../credentials/access-token.ts'
import { ProxyError } from '../errors.ts'
import type { Forwarder, Outcome } from '../forward/exchange.ts'
import type { Guard, Permit } from '../guard/guard.ts'
import { outgoingHeaders } from '../guard/headers.ts'
import type { Logger } from '../observe/logger.ts'
import { RequestEvent } from '../observe/request-event.ts'
import type { ServedAccount } from './account.ts'
import { answerProblem } from './problem.ts'
import { discardUnread } from './unread-body.ts'

/** A token that runs out while a long upload is on its way would cost the whole upload. Milliseconds. */
const minimumLifeForUpload = 60_000

interface Parts {
  readonly guard: Guard<ServedAccount>
  readonly forwarder: Forwarder
  readonly logger: Logger
  readonly userAgent: string
  /** False from the moment that the proxy shuts down. */
  readonly accepting: () => boolean
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
    discardUnread(request)
    event.log(this.#parts.logger)
  }

  #permitFor(request: IncomingMessage, target: string, event: RequestEvent): Permit<ServedAccount> {
    const { method, headers } = request
    const verdict = this.#parts.guard.judge({ method, headers, target })
    event.account = verdict.account?.name
    event.service = verdict.service
    event.route = verdict.route
    if (!verdict.allowed) throw verdict.error
    return verdict
  }

  async #forward(
    request: IncomingMessage,
    response: ServerResponse,
    { account, service, path }: Permit<ServedAccount>,
    event: RequestEvent,
  ): Promise<Outcome> {
    const { dicomWebUrl: origin, urls } = account
    const exchange = { request, response, service, origin, path, urls, progress: event.progress }
    const send = async (token: AccessToken) => {
      event.attempts += 1
      const headers = this.#headersFor(request, account, token)
      const outcome = await this.#parts.forwarder.forward({ ...exchange, headers }, token)
      const { requestId, attempts: attempt, route } = event
      this.#parts.logger.debug(
        { requestId, account: account.name, service, route, attempt, ...outcome },
        'sent to Google',
      )
      return outcome
    }
    const first = await this.#tokenFor(account, service, event)
    // A client that asks before it sends (RFC 9110 10.1.1) asks us: nothing stands in the way of its body any more.
    if (request.headers.expect !== undefined && request.httpVersion === '1.1') response.writeContinue()
    const outcome = await send(first)
    if (outcome.kind !== 'token-rejected') return outcome

    account.tokens.invalidate(first)
    const second = await this.#tokenFor(account, service, event)
    if (!outcome.replayable) throw tooLargeToRepeat()
    const again = await send(second)
    if (again.kind === 'token-rejected') throw rejectedTwice(account.name)
    return again
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
    if (response.destroyed) event.cutBy = 'client'
    else answerProblem(response, error, event)
  }
}

function conclude(event: RequestEvent, outcome: Outcome): void {
  if (outcome.kind === 'token-rejected') return
  event.status = outcome.status
  event.detail = outcome.status === null ? undefined : hints[outcome.status]
  if (outcome.kind === 'cut') event.cutBy = outcome.by
}

/** For the log: what Google's refusals mean that look alike to a client. Google says 403 of a store that does not exist, too. */
const hints: Readonly<Record<number, string>> = {
  403: 'Google refuses: grant the credential roles/healthcare.dicomEditor (to read only, dicomViewer) on this store, and check Project, Location, Dataset and DicomStore: a store that does not exist is refused, too.',
  429: 'Google limits the rate: send less at once, or ask Google for a higher quota of this project.',
}

function asProxyError(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error
  return new ProxyError('internal', "This should not happen: see the proxy's log, and report it.", { cause: error })
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
