import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { AccessToken } from '../credentials/access-token.ts'
import { ProxyError } from '../errors.ts'
import { sendHeld } from '../forward/answer.ts'
import { readHeld } from '../forward/answer-reader.ts'
import type { Forwarder, Outcome } from '../forward/exchange.ts'
import type { Permit } from '../guard/guard.ts'
import { outgoingHeaders } from '../guard/headers.ts'
import type { Logger } from '../observe/logger.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { ServedAccount } from './account.ts'
import { readingAlong } from './reading-along.ts'
import { isRepeatable, repetitionOf, type Unanswered, waitBefore } from './repetition.ts'

/** A token that runs out while a long upload is on its way would cost the whole upload. Milliseconds. */
const minimumLifeForUpload = 60_000

interface Parts {
  readonly forwarder: Forwarder
  readonly logger: Logger
  readonly userAgent: string
  /** Milliseconds after a request's arrival within which it may be sent to Google again. */
  readonly budget: number
}

/** Sends a permitted request to Google, with a token, as often as is safe and useful (docs/adr/0014). */
export class Tries {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Ends with an answer, or with the end of the client's connection; throws a ProxyError when there is no answer. */
  async run(
    request: IncomingMessage,
    response: ServerResponse,
    permit: Permit<ServedAccount>,
    event: RequestEvent,
  ): Promise<Outcome> {
    const { account, service } = permit
    const deadline = performance.now() + this.#parts.budget
    const repetition = repetitionOf(service, permit.route)
    const holds = (status: number) =>
      status === 401 || (repetition.statuses.has(status) && performance.now() < deadline)
    const sending = { request, response, permit, holds }
    let rejected: AccessToken | null = null
    for (;;) {
      const token = await this.#tokenFor(account, service, event)
      // No 'close' comes any more that would end a try.
      if (response.destroyed) return left
      if (event.attempts === 0) allowBody(request, response)
      const outcome = await this.#send(sending, token, event)
      if (outcome.kind === 'answered' || outcome.kind === 'cut') return outcome
      if (outcome.kind === 'held' && outcome.answer.status === 401) {
        if (rejected) {
          readHeld(readingAlong(permit, event), outcome.answer)
          throw rejectedTwice(account.name)
        }
        rejected = token
        account.tokens.invalidate(token)
        if (outcome.replayable) continue
        // So that the client's next try meets a token that works.
        await this.#tokenFor(account, service, event)
        throw tooLargeToRepeat()
      }
      const wait = waitBefore(event.attempts, outcome)
      if (!isRepeatable(repetition, outcome) || performance.now() + wait > deadline) {
        return giveUp(sending, outcome, event)
      }
      if (!(await pause(wait, response))) return left
    }
  }

  async #send(
    { request, response, permit, holds }: Sending,
    token: AccessToken,
    event: RequestEvent,
  ): Promise<Outcome> {
    const { account, service, route, path } = permit
    const { dicomWebUrl: origin, urls } = account
    const headers = this.#headersFor(request, permit, token)
    event.attempts += 1
    const { requestId, attempts: attempt, progress } = event
    const readAnswer = readingAlong(permit, event)
    const exchange = { request, response, service, origin, path, headers, urls, holds, attempt, readAnswer, progress }
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

  #headersFor(
    request: IncomingMessage,
    { account, service }: Permit<ServedAccount>,
    token: AccessToken,
  ): Record<string, string> {
    const quotaProject = account.quotaProject ?? token.quotaProject
    const headers = outgoingHeaders(request.headers)
    headers['user-agent'] = this.#parts.userAgent
    // A compressed answer could not be rewritten, and the proxy reads what became of the instances.
    if (account.urls || service === 'STOW-RS') delete headers['accept-encoding']
    // Who pays: https://cloud.google.com/apis/docs/system-parameters
    if (quotaProject) headers['x-goog-user-project'] = quotaProject
    return headers
  }
}

/** The client has left before an answer. */
const left = { kind: 'cut', by: 'client', status: null } as const satisfies Outcome

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
async function giveUp({ response, permit }: Sending, outcome: Unanswered, event: RequestEvent): Promise<Outcome> {
  if (outcome.kind === 'failed') throw outcome.error
  if (response.destroyed) return left
  const { answer } = outcome
  const { urls } = permit.account
  event.progress.sent += answer.body.length
  readHeld(readingAlong(permit, event), answer)
  const isWhole = await sendHeld({ response, urls, attempt: event.attempts }, answer)
  return isWhole ? { kind: 'answered', status: answer.status } : { ...left, status: answer.status }
}

/** False when the client left meanwhile. */
async function pause(milliseconds: number, response: ServerResponse): Promise<boolean> {
  const leaving = new AbortController()
  const onClose = () => leaving.abort()
  response.once('close', onClose)
  await delay(milliseconds, undefined, { signal: leaving.signal }).catch(() => {})
  response.off('close', onClose)
  return !response.destroyed
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
