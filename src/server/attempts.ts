import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { abortable, abortOnClose, clientGone } from '../concurrency/abort.ts'
import type { ConcurrencyLimiter, Slot } from '../concurrency/limiter.ts'
import type { DicomWebService, UpstreamTimeouts } from '../config/settings.ts'
import type { AccessToken } from '../credentials/access-token.ts'
import { waitForFirstBytes } from '../downstream/first-bytes.ts'
import type { Inbound } from '../downstream/inbound.ts'
import { ProxyError } from '../errors.ts'
import type { BufferedResponse } from '../forward/buffered-response.ts'
import type { Exchange, Outcome } from '../forward/exchange.ts'
import { ReplayBody, type ReplayBudget } from '../forward/replay-body.ts'
import { observeBuffered } from '../forward/response-observer.ts'
import type { Senders } from '../forward/senders.ts'
import { TokenReplay } from '../forward/token-replay.ts'
import type { Permit } from '../guard/guard.ts'
import { outgoingHeaders } from '../guard/headers.ts'
import type { AuditTrail } from '../observe/audit/audit-trail.ts'
import type { Logger } from '../observe/logger.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { AttemptResult } from '../observe/tracing.ts'
import type { ServedAccount } from './account.ts'
import type { Deletion, Deletions } from './deletions.ts'
import { ExchangeLine } from './exchange-line.ts'
import { diagnosisOf } from './explanation.ts'
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

/** The least time for a response, once Google has asked to try again. */
const minResponseTimeoutMs = 1_000
/** A token that expires while a long upload is on its way would cost the whole upload. */
const minTokenLifeForUploadMs = 60_000

interface Parts {
  readonly timeouts: Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>
  /**
   * Aborts when the proxy is told to end; its reason is what those are told whose request was not
   * sent yet.
   */
  readonly ending: AbortSignal
  readonly senders: Senders
  /** Of the bodies that are kept to be sent once more. */
  readonly replayBudget: ReplayBudget
  readonly deletions: Deletions
  readonly logger: Logger
  readonly userAgent: string
  /** Milliseconds after a request's arrival within which it may be sent to Google again. */
  readonly retryTimeout: number
  /** Null when none is kept. */
  readonly audit: Pick<AuditTrail, 'accepting'> | null
}

/**
 * Sends a permitted request to Google, with a token, as often as is safe and useful
 * (docs/adr/0014).
 */
export class Attempts {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * Ends with a response, or with the end of the client's connection; throws a ProxyError when
   * there is no response.
   */
  run(inbound: Inbound, permit: Permit<ServedAccount>, event: RequestEvent): Promise<Outcome> {
    const { request, response } = inbound
    const deadline = performance.now() + this.#parts.retryTimeout
    const retryPolicy = retryPolicyFor(permit.service, permit.route)
    const deletion = this.#parts.deletions.expectedOf(permit)
    event.isPending = beginsOperation(permit.service, permit.route)
    const shouldBuffer = (status: number) =>
      status === 401 ||
      (status === 200 && deletion !== null) ||
      (retryPolicy.statuses.has(status) && performance.now() < deadline)
    const { progress } = event
    const body =
      permit.service === 'STOW-RS' ? new ReplayBody({ request, response, progress }, this.#parts.replayBudget) : null
    const tokens = new Set<string>()
    const sending = {
      request,
      response,
      inbound,
      permit,
      event,
      body,
      retryPolicy,
      shouldBuffer,
      deletion,
      deadline,
      tokens,
    }
    return this.#untilResponse(sending).catch(clientGoneOr)
  }

  async #untilResponse(sending: Sending): Promise<Outcome> {
    const { event, permit, retryPolicy, deletion, deadline } = sending
    const { account, service } = permit
    const replay = new TokenReplay(account.tokens)
    /** What Google said last. */
    let said: BufferedResponse | null = null
    let slot: Slot | null = await this.#acquireFirstSlot(sending)
    for (;;) {
      const { outcome, token } = await this.#try(sending, slot, said)
      if (outcome.kind === 'completed' || outcome.kind === 'aborted') return outcome
      if (outcome.kind === 'buffered' && outcome.response.status === 200 && deletion) {
        return deletion.conclude(outcome.response, sending.response, event, sending.tokens)
      }
      if (outcome.kind === 'buffered' && outcome.response.status === 401) {
        if (!token || !replay.allows(token)) {
          observeBuffered(observeResponse(permit, event, sending.tokens), outcome.response)
          throw rejectedTwice(event, permit)
        }
        // Also so that the client's next request meets a token that works, should this one not be
        // repeated.
        await this.#awaitToken(sending)
        if (!outcome.replayable) throw tooLargeToRepeat()
        slot = await this.#acquireSlot(sending, Number.POSITIVE_INFINITY)
        continue
      }
      if (outcome.kind === 'buffered') said = outcome.response
      const wait = backoffDelay(event.attempts, outcome)
      const isLast = !isRetryable(retryPolicy, outcome) || performance.now() + wait > deadline
      if (isLast || !(await this.#pause(sending, wait))) return giveUp(sending, finalResponse(outcome, said, service))
      // Rather what Google said than that there is no room to ask again.
      slot = await Promise.resolve(this.#acquireSlot(sending, deadline - performance.now())).catch(noSlot)
      if (!slot) return giveUp(sending, finalResponse(outcome, said, service))
    }
  }

  /**
   * One attempt, in its slot. Waiting for the next one takes no slot.
   *
   * @param said Google's last response: the client need not wait much longer for a better one
   */
  async #try(
    sending: Sending,
    slot: Slot,
    said: BufferedResponse | null,
  ): Promise<{ outcome: Outcome; token: AccessToken | null }> {
    let refused = false
    try {
      const token = await this.#awaitToken(sending)
      // No 'close' comes any more that would end an attempt.
      if (sending.response.destroyed) throw clientGone
      const responseTimeout = said && Math.max(sending.deadline - performance.now(), minResponseTimeoutMs)
      const { exchange, line, trace } = this.#begin(sending, token, responseTimeout)
      const outcome = await this.#parts.senders[exchange.service].send(exchange)
      line?.write(this.#parts.logger, outcome)
      trace?.end(resultOf(outcome))
      refused = isRefusedForLoad(outcome)
      return { outcome, token }
    } catch (error) {
      if (!said || !(error instanceof ProxyError)) throw error
      return { outcome: { kind: 'failed', error, replayable: true }, token: null }
    } finally {
      slot.release(refused)
    }
  }

  #begin(sending: Sending, token: AccessToken, responseTimeout: number | null) {
    const { request, response, inbound, permit, event, body, shouldBuffer, tokens } = sending
    const { account, service, path } = permit
    const { dicomWebUrl: origin, urls } = account
    // It may have waited long, for its body, a token, a slot or its next attempt.
    checkRecordable(this.#parts.audit)
    event.attempts += 1
    const trace = event.trace?.beginAttempt(event.attempts)
    const own = upstreamHeaders(this.#parts.userAgent, account, token)
    const headers = Object.assign(headersFor(request, permit), trace?.headers, own)
    const { attempts: attempt, progress } = event
    const line = this.#parts.logger.isLevelEnabled('debug') ? new ExchangeLine(event, headers) : null
    tokens.add(token.value)
    const reading = observeResponse(permit, event, tokens)
    const observe = line ? line.observing(reading) : reading
    const othersWait = () => account.limiters[service].queued > 0
    const exchange: Exchange = {
      request,
      response,
      inbound,
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
      body,
      progress,
    }
    return { exchange, line, trace }
  }

  /**
   * Lets a body come, once there is a token for it. Where slots are scarce, an upload gets one only
   * when its body comes.
   */
  async #acquireFirstSlot(sending: Sending): Promise<Slot> {
    await this.#awaitToken(sending)
    allowBody(sending)
    const { account, service } = sending.permit
    if (service === 'STOW-RS' && account.limiters[service].isHalfUsed) {
      await waitForFirstBytes(sending.inbound, this.#parts.timeouts, () => abortOnClose(sending, this.#parts.ending))
    }
    // In one go with the check above: others that waited for the same token check next.
    return this.#acquireSlot(sending, Number.POSITIVE_INFINITY)
  }

  /**
   * Most of the time one is free.
   *
   * @param maxWaitMs where that is less than what is configured
   */
  #acquireSlot(sending: Sending, maxWaitMs: number): Slot | Promise<Slot> {
    const { account, service } = sending.permit
    const limiter = account.limiters[service]
    return limiter.tryAcquire(sending.event.fairnessKey) ?? this.#waitForSlot(sending, limiter, maxWaitMs)
  }

  async #waitForSlot(sending: Sending, limiter: ConcurrencyLimiter, maxWaitMs: number): Promise<Slot> {
    const { response, event } = sending
    const { ending } = this.#parts
    ending.throwIfAborted()
    if (response.destroyed) throw clientGone
    const { slot, cancel } = limiter.acquire(event.fairnessKey, maxWaitMs)
    // Not by abortOnClose: beyond its slots, a busy account has one such wait for each request.
    const onClose = () => cancel(clientGone)
    const onEnding = () => cancel(ending.reason)
    response.once('close', onClose)
    ending.addEventListener('abort', onEnding)
    try {
      return await slot
    } finally {
      response.off('close', onClose)
      ending.removeEventListener('abort', onEnding)
    }
  }

  /** Most of the time it is there. */
  #awaitToken(sending: Sending): AccessToken | Promise<AccessToken> {
    const { account, service } = sending.permit
    const found = account.tokens.token(service === 'STOW-RS' ? minTokenLifeForUploadMs : 0)
    if (found instanceof Promise) return this.#waitForToken(sending, found)
    sending.event.tokenReceived()
    return found
  }

  async #waitForToken(sending: Sending, coming: Promise<AccessToken>): Promise<AccessToken> {
    const token = await this.#abortable(sending, coming)
    sending.event.tokenReceived()
    return token
  }

  /** False when the proxy ends meanwhile: there is no time for another attempt. */
  async #pause(sending: Sending, milliseconds: number): Promise<boolean> {
    const { signal, done } = abortOnClose(sending, this.#parts.ending)
    await delay(milliseconds, undefined, { signal }).catch(() => {})
    done()
    if (sending.response.destroyed) throw clientGone
    return !signal.aborted
  }

  async #abortable<Value>(sending: Sending, work: Promise<Value>): Promise<Value> {
    const { signal, done } = abortOnClose(sending, this.#parts.ending)
    try {
      return await abortable(work, signal)
    } finally {
      done()
    }
  }
}

/** Of the client's headers, those that Google gets. */
function headersFor(request: IncomingMessage, { account, service }: Permit<ServedAccount>): Record<string, string> {
  const headers = outgoingHeaders(request.headers, service)
  // A compressed response could not be rewritten, and the proxy reads what became of instances, and
  // a deletion's operation.
  if (account.urls || service === 'STOW-RS' || service === 'DELETE') delete headers['accept-encoding']
  return headers
}

function clientGoneOr(error: unknown): Outcome {
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

/** A request on its way, through all of its attempts. */
interface Sending {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly inbound: Inbound
  readonly permit: Permit<ServedAccount>
  readonly event: RequestEvent
  readonly body: ReplayBody | null
  readonly retryPolicy: RetryPolicy
  readonly shouldBuffer: (status: number) => boolean
  readonly deletion: Deletion | null
  /** No attempt begins after it; by `performance.now()`. */
  readonly deadline: number
  /** That it was sent with: none may come back in Google's words. */
  readonly tokens: Set<string>
}

/**
 * What the client gets in the end: the last that Google said; where it said nothing, the proxy
 * throws why. So it does when an upload may have been stored after all: that weighs more than what
 * Google said of an earlier attempt.
 */
function finalResponse(
  outcome: WithoutResponse,
  said: BufferedResponse | null,
  service: DicomWebService,
): BufferedResponse {
  if (outcome.kind === 'buffered') return outcome.response
  const mayBeStored = service === 'STOW-RS' && !outcome.replayable
  if (!said || mayBeStored) throw outcome.error
  return said
}

/** The response goes to the client whole. */
async function giveUp({ response, permit, event, tokens }: Sending, last: BufferedResponse): Promise<Outcome> {
  observeBuffered(observeResponse(permit, event, tokens), last)
  return sendBuffered({ response, account: permit.account }, last, event)
}

/** When there is no slot, and for nothing else. */
function noSlot(error: unknown): null {
  if (error instanceof ProxyError) return null
  throw error
}

function tooLargeToRepeat(): ProxyError {
  const problem =
    'Google rejected the access token during the upload, which is too large for the proxy to resend. A new token is ready.'
  return new ProxyError('token-renewed', { problem, remedy: 'Send the study again.' }, { retryAfter: 1 })
}

function rejectedTwice(event: RequestEvent, permit: Permit<ServedAccount>): ProxyError {
  const { code, ...found } = diagnosisOf(401, event, permit)
  if (code !== 'token-rejected') return new ProxyError('token-rejected', found)
  const problem = `Google rejects even a new access token of account ${permit.account.name}: its service account or user may be disabled, or the token may be for another API.`
  return new ProxyError('token-rejected', { problem, remedy: 'Check the credential.' })
}

/**
 * A client that asks before it sends (RFC 9110 10.1.1) asks us: nothing stands in the way of its
 * body any more.
 */
function allowBody({ request, response }: Sending): void {
  if (/100-continue/i.test(request.headers.expect ?? '') && request.httpVersion === '1.1') response.writeContinue()
}
