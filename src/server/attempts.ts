import type { IncomingMessage, ServerResponse } from 'node:http'
import { clientGone } from '../concurrency/abort-on-close.ts'
import type { Slot } from '../concurrency/limiter.ts'
import type { DicomWebService } from '../config/settings.ts'
import type { AccessToken } from '../credentials/access-token.ts'
import { ProxyError } from '../errors.ts'
import type { BufferedResponse } from '../forward/buffered-response.ts'
import type { Exchange, Forwarder, Outcome } from '../forward/exchange.ts'
import { observeBuffered } from '../forward/response-observer.ts'
import type { Permit } from '../guard/guard.ts'
import { outgoingHeaders } from '../guard/headers.ts'
import type { AuditTrail } from '../observe/audit/audit-trail.ts'
import type { Logger } from '../observe/logger.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { AttemptResult } from '../observe/tracing.ts'
import type { ServedAccount } from './account.ts'
import type { Deletion, Deletions } from './deletions.ts'
import { ExchangeLine } from './exchange-line.ts'
import { observeResponse } from './observe-response.ts'
import {
  backoffDelay,
  beginsOperation,
  isRefusedForLoad,
  isRetryable,
  type RetryPolicy,
  retryPolicyFor,
  type WithoutResponse,
} from './retry-policy.ts'
import { clientGoneOutcome, sendBuffered } from './send-buffered.ts'
import { checkRecordable } from './unrecorded.ts'
import { upstreamHeaders } from './upstream-headers.ts'
import { Waits, type WaitsParts } from './waits.ts'

/** How long (ms) an answer may take in any case, once Google has said that it is to be asked again. */
const leastForAnswer = 1_000

interface Parts extends WaitsParts {
  readonly forwarder: Forwarder
  readonly deletions: Deletions
  readonly logger: Logger
  readonly userAgent: string
  /** Milliseconds after a request's arrival within which it may be sent to Google again. */
  readonly budget: number
  /** Null when none is kept. */
  readonly audit: Pick<AuditTrail, 'accepting'> | null
}

/** Sends a permitted request to Google, with a token, as often as is safe and useful (docs/adr/0014). */
export class Attempts {
  readonly #parts: Parts
  readonly #waits: Waits

  constructor(parts: Parts) {
    this.#parts = parts
    this.#waits = new Waits(parts)
  }

  /** Ends with an answer, or with the end of the client's connection; throws a ProxyError when there is no answer. */
  run(
    request: IncomingMessage,
    response: ServerResponse,
    permit: Permit<ServedAccount>,
    event: RequestEvent,
  ): Promise<Outcome> {
    const deadline = performance.now() + this.#parts.budget
    const repetition = retryPolicyFor(permit.service, permit.route)
    const deletion = this.#parts.deletions.expectedOf(permit)
    event.isPending = beginsOperation(permit.service, permit.route)
    const holds = (status: number) =>
      status === 401 ||
      (status === 200 && deletion !== null) ||
      (repetition.statuses.has(status) && performance.now() < deadline)
    const tokens = new Set<string>()
    const sending = { request, response, permit, event, repetition, holds, deletion, deadline, tokens }
    return this.#untilAnswered(sending).catch(unlessLeft)
  }

  async #untilAnswered(sending: Sending): Promise<Outcome> {
    const { event, permit, repetition, deletion, deadline } = sending
    const { account, service } = permit
    let rejected: AccessToken | null = null
    /** What Google said last. */
    let said: BufferedResponse | null = null
    let place: Slot | null = await this.#waits.firstPlace(sending)
    for (;;) {
      const { outcome, token } = await this.#try(sending, place, said)
      if (outcome.kind === 'completed' || outcome.kind === 'aborted') return outcome
      if (outcome.kind === 'buffered' && outcome.response.status === 200 && deletion) {
        return deletion.conclude(outcome.response, sending.response, event, sending.tokens)
      }
      if (outcome.kind === 'buffered' && outcome.response.status === 401) {
        if (rejected) {
          observeBuffered(observeResponse(permit, event, sending.tokens), outcome.response)
          throw rejectedTwice(account.name)
        }
        rejected = token
        if (token) account.tokens.invalidate(token)
        // Also so that the client's next request meets a token that works, should this one not be repeated.
        await this.#waits.token(sending)
        if (!outcome.replayable) throw tooLargeToRepeat()
        place = await this.#waits.place(sending, Number.POSITIVE_INFINITY)
        continue
      }
      if (outcome.kind === 'buffered') said = outcome.response
      const wait = backoffDelay(event.attempts, outcome)
      const isLast = !isRetryable(repetition, outcome) || performance.now() + wait > deadline
      if (isLast || !(await this.#waits.pause(sending, wait))) return giveUp(sending, lastWord(outcome, said, service))
      // Rather what Google said than that there is no room to ask again.
      place = await Promise.resolve(this.#waits.place(sending, deadline - performance.now())).catch(nowhere)
      if (!place) return giveUp(sending, lastWord(outcome, said, service))
    }
  }

  /**
   * One try, in its place. Waiting for the next one takes no place.
   *
   * @param said by Google before: the client need not wait much longer for a better word
   */
  async #try(
    sending: Sending,
    place: Slot,
    said: BufferedResponse | null,
  ): Promise<{ outcome: Outcome; token: AccessToken | null }> {
    let refused = false
    try {
      const token = await this.#waits.token(sending)
      // No 'close' comes any more that would end a try.
      if (sending.response.destroyed) throw clientGone
      const answerWithin = said && Math.max(sending.deadline - performance.now(), leastForAnswer)
      const { exchange, line, trace } = this.#begin(sending, token, answerWithin)
      const outcome = await this.#parts.forwarder.forward(exchange, token)
      line?.write(this.#parts.logger, outcome)
      trace?.end(resultOf(outcome))
      refused = isRefusedForLoad(outcome)
      return { outcome, token }
    } catch (error) {
      if (!said || !(error instanceof ProxyError)) throw error
      return { outcome: { kind: 'failed', error, replayable: true }, token: null }
    } finally {
      place.release(refused)
    }
  }

  #begin(sending: Sending, token: AccessToken, responseTimeout: number | null) {
    const { request, response, permit, event, holds: shouldBuffer, tokens } = sending
    const { account, service, path } = permit
    const { dicomWebUrl: origin, urls } = account
    // It may have waited long, for its body, a token, a place or its next try.
    checkRecordable(this.#parts.audit)
    event.attempts += 1
    const trace = event.trace?.beginAttempt(event.attempts)
    const headers = Object.assign(this.#headersFor(request, permit, token), trace?.headers)
    const { attempts: attempt, progress } = event
    const line = this.#parts.logger.isLevelEnabled('debug') ? new ExchangeLine(event, headers) : null
    tokens.add(token.value)
    const reading = observeResponse(permit, event, tokens)
    const observe = line ? line.reading(reading) : reading
    const othersWait = () => account.limiters[service].queued > 0
    const exchange: Exchange = {
      request,
      response,
      service,
      origin,
      path,
      headers,
      urls,
      shouldBuffer,
      attempt,
      responseTimeout,
      othersWait,
      observe,
      progress,
    }
    return { exchange, line, trace }
  }

  #headersFor(
    request: IncomingMessage,
    { account, service }: Permit<ServedAccount>,
    token: AccessToken,
  ): Record<string, string> {
    const headers = Object.assign(
      outgoingHeaders(request.headers),
      upstreamHeaders(this.#parts.userAgent, account, token),
    )
    // A compressed answer could not be rewritten, and the proxy reads what became of instances, and a deletion's operation.
    if (account.urls || service === 'STOW-RS' || service === 'DELETE') delete headers['accept-encoding']
    return headers
  }
}

function unlessLeft(error: unknown): Outcome {
  if (error === clientGone) return clientGoneOutcome
  throw error
}

function resultOf(outcome: Outcome): AttemptResult {
  switch (outcome.kind) {
    case 'buffered':
      return { status: outcome.response.status, code: undefined }
    case 'failed':
      return { status: null, code: outcome.error.code }
    case 'aborted':
      return { status: outcome.status, code: `cut by ${outcome.by}` }
    case 'completed':
      return { status: outcome.status, code: undefined }
  }
}

/** A request on its way, through all of its tries. */
interface Sending {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly permit: Permit<ServedAccount>
  readonly event: RequestEvent
  readonly repetition: RetryPolicy
  readonly holds: (status: number) => boolean
  readonly deletion: Deletion | null
  /** No try begins after it; by `performance.now()`. */
  readonly deadline: number
  /** That it was sent with: none may come back in Google's words. */
  readonly tokens: Set<string>
}

/**
 * What the client gets in the end: the last that Google said; where it said nothing, the proxy throws why. So it does when an
 * upload may have been stored after all: that weighs more than what Google said of a try before.
 */
function lastWord(outcome: WithoutResponse, said: BufferedResponse | null, service: DicomWebService): BufferedResponse {
  if (outcome.kind === 'buffered') return outcome.response
  const mayBeStored = service === 'STOW-RS' && !outcome.replayable
  if (!said || mayBeStored) throw outcome.error
  return said
}

/** The answer goes to the client whole. */
async function giveUp({ response, permit, event, tokens }: Sending, answer: BufferedResponse): Promise<Outcome> {
  observeBuffered(observeResponse(permit, event, tokens), answer)
  return sendBuffered({ response, account: permit.account }, answer, event)
}

/** For want of a place, and for nothing else. */
function nowhere(error: unknown): null {
  if (error instanceof ProxyError) return null
  throw error
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
