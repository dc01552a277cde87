import type { IncomingMessage, ServerResponse } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { Outcome } from '../forward/exchange.ts'
import { discardUnread } from '../forward/unread-body.ts'
import type { Guard, Permit } from '../guard/guard.ts'
import { checkMessage } from '../guard/message.ts'
import type { Logger } from '../observe/logger.ts'
import { RequestEvent } from '../observe/request-event.ts'
import type { ServedAccount } from './account.ts'
import { answerProblem } from './problem.ts'
import type { Tries } from './tries.ts'

interface Parts {
  readonly guard: Guard<ServedAccount>
  readonly tries: Tries
  readonly logger: Logger
  /** False from the moment that the proxy shuts down. */
  readonly accepting: () => boolean
}

/** The way of a request: verdict, tries, one event. */
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
      conclude(event, await this.#parts.tries.run(request, response, permit, event))
    } catch (error) {
      this.#answer(response, asProxyError(error), event)
    }
    discardUnread(request, response)
    event.log(this.#parts.logger)
  }

  #permitFor(request: IncomingMessage, target: string, event: RequestEvent): Permit<ServedAccount> {
    const { method, headers } = request
    checkMessage(request)
    const verdict = this.#parts.guard.judge({ method, headers, target })
    event.account = verdict.account?.name
    event.service = verdict.service
    event.route = verdict.route
    if (!verdict.allowed) throw verdict.error
    return verdict
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

function asProxyError(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error
  return new ProxyError('internal', "This should not happen: see the proxy's log, and report it.", { cause: error })
}

function shuttingDown(): ProxyError {
  const detail = 'The proxy ends, or is being started anew: send the request again in a moment.'
  return new ProxyError('shutting-down', detail, { retryAfter: 5 })
}
