import { setTimeout as delay } from 'node:timers/promises'
import { abortable, abortOnClose, clientGone } from '../concurrency/abort.ts'
import type { ConcurrencyLimiter, Slot } from '../concurrency/limiter.ts'
import type { DicomWebService, RetrySettings, UpstreamTimeouts } from '../config/settings.ts'
import type { AccessToken } from '../credentials/access-token.ts'
import { waitForFirstBytes } from '../downstream/first-bytes.ts'
import type { Inbound, InboundRequest } from '../downstream/inbound.ts'
import { type ErrorCode, ProxyError } from '../errors.ts'
import { acceptsGzip } from '../forward/accepted-types.ts'
import type { BufferedResponse } from '../forward/buffered-response.ts'
import type { Exchange, Outcome, Sender } from '../forward/exchange.ts'
import { cacheControlFor } from '../forward/private-cache.ts'
import { ReplayBody, type ReplayBudget } from '../forward/replay-body.ts'
import { observeBuffered } from '../forward/response-observer.ts'
import type { Senders } from '../forward/senders.ts'
import { TokenRejections } from '../forward/token-rejections.ts'
import type { Permit } from '../guard/guard.ts'
import { outgoingHeaders } from '../guard/headers.ts'
import { withoutUnreturnedFields } from '../guard/unreturned-fields.ts'
import type { AuditTrail } from '../observe/audit/audit-trail.ts'
import type { Logger } from '../observe/logger.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { AttemptResult } from '../observe/tracing.ts'
import { searchingFirst } from '../stores/google-refusal.ts'
import type { ServedAccount } from './account.ts'
import { AttemptLine } from './attempt-line.ts'
import { checkRecordable } from './check-recordable.ts'
import type { Deletion, Deletions } from './deletions.ts'
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
import { upstreamHeaders } from './upstream-headers.ts'

/** The least time for a response, once Google has asked to try again. */
const minResponseTimeoutMs = 1_000
/** A token that expires while a long upload is on its way would cost the whole upload. */
const minTokenLifeForUploadMs = 60_000

interface AttemptsOptions {
  readonly timeouts: Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>
  /**
   * Aborts when the proxy is told to end; its reason is what those are told whose request was not
   * sent yet.
   */
  readonly ending: AbortSignal
  readonly senders: Senders
  /** For the bodies that are buffered for retries. */
  readonly replayBudget: ReplayBudget
  readonly deletions: Deletions
  readonly logger: Logger
  readonly userAgent: string
  readonly retry: Pick<RetrySettings, 'totalTimeout'>
  /** Null when none is kept. */
  readonly audit: Pick<AuditTrail, 'accepting'> | null
}

/**
 * Sends a permitted request to Google, with a token, as often as is safe and useful
 * (docs/adr/0014).
 */
export class Attempts {
  readonly #options: AttemptsOptions

  constructor(options: AttemptsOptions) {
    this.#options = options
  }

  /**
   * Ends with a response, or with the end of the client's connection; throws a ProxyError when
   * there is no response.
   */
  run(inbound: Inbound, permit: Permit<ServedAccount>, event: RequestEvent): Promise<Outcome> {
    const { body: clientBody, response } = inbound
    const retryDeadline = performance.now() + this.#options.retry.totalTimeout
    const retryPolicy = retryPolicyFor(permit.service, permit.route)
    const deletion = this.#options.deletions.deletionFor(permit)
    event.isPending = beginsOperation(permit.service, permit.route)
    const shouldBuffer = (status: number) =>
      status === 401 ||
      (status === 400 && context.fewerFields !== null) ||
      (status === 200 && deletion !== null) ||
      (retryPolicy.statuses.has(status) && performance.now() < retryDeadline)
    const { progress } = event
    const body =
      permit.service === 'STOW-RS'
        ? new ReplayBody({ body: clientBody, response, progress }, this.#options.replayBudget)
        : null
    const context: RetryContext = {
      inbound,
      permit,
      fewerFields: permit.service === 'QIDO-RS' ? withoutUnreturnedFields(permit) : null,
      event,
      body,
      retryPolicy,
      shouldBuffer,
      deletion,
      retryDeadline,
      tokens: new Set(),
      sender: this.#options.senders[permit.service],
      headers: headersFor(inbound.request, permit),
      ending: this.#options.ending,
      conclude: (last) => giveUp(context, last),
      attempts: 0,
    }
    return this.#untilResponse(context).catch(clientGoneOr)
  }

  /**
   * One of several requests to Google that make up the response to a client's: the same attempts,
   * but the client sees nothing of it. The outcome is `completed` when the sender has read the
   * response, `buffered` when Google refused for good, or `aborted`; without a response, it throws
   * a ProxyError.
   *
   * @param part.ending aborts everything: its reason, an Error, is then thrown
   */
  runPart(
    inbound: Inbound,
    permit: Permit<ServedAccount>,
    event: RequestEvent,
    part: PartOfResponse,
  ): Promise<Outcome> {
    const retryPolicy = retryPolicyFor(permit.service, permit.route)
    const retryDeadline = Math.min(performance.now() + this.#options.retry.totalTimeout, part.deadline)
    const context: RetryContext = {
      inbound,
      permit,
      fewerFields: null,
      event,
      body: null,
      retryPolicy,
      shouldBuffer: () => true,
      deletion: null,
      retryDeadline,
      tokens: new Set(),
      sender: part.sender,
      headers: part.headers,
      ending: part.ending,
      conclude: async (response) => {
        observeBuffered(observeResponse(permit, event, context.tokens), response)
        return { kind: 'buffered', response, replayable: false }
      },
      attempts: 0,
    }
    return this.#untilResponse(context).catch(clientGoneOr)
  }

  async #untilResponse(context: RetryContext): Promise<Outcome> {
    const { inbound, event, permit, retryPolicy, deletion, retryDeadline } = context
    const { account, service } = permit
    const rejections = new TokenRejections(account.tokens)
    let lastResponse: BufferedResponse | null = null
    let slot: Slot | null = await this.#acquireFirstSlot(context)
    for (;;) {
      const { outcome, token } = await this.#attempt(context, slot, lastResponse)
      if (outcome.kind === 'completed' || outcome.kind === 'aborted') return outcome
      if (outcome.kind === 'buffered' && outcome.response.status === 200 && deletion) {
        return deletion.conclude(outcome.response, inbound.response, event, context.tokens)
      }
      if (outcome.kind === 'buffered' && outcome.response.status === 401) {
        if (!token || !rejections.invalidateOnce(token)) {
          observeBuffered(observeResponse(permit, event, context.tokens), outcome.response)
          throw rejectedTwice(event, permit)
        }
        // Also so that the client's next request meets a token that works, should this one not be
        // repeated.
        await this.#awaitToken(context)
        if (!outcome.replayable) throw tooLargeToResend()
        slot = await this.#acquireSlot(context, Number.POSITIVE_INFINITY)
        continue
      }
      if (outcome.kind === 'buffered' && outcome.response.status === 400 && context.fewerFields !== null) {
        context.permit = { ...permit, path: context.fewerFields }
        context.fewerFields = null
        slot = await this.#acquireSlot(context, Number.POSITIVE_INFINITY)
        continue
      }
      if (outcome.kind === 'buffered') lastResponse = outcome.response
      const wait = backoffDelay(context.attempts, outcome)
      const isFinal = !isRetryable(retryPolicy, outcome) || performance.now() + wait > retryDeadline
      if (isFinal || !(await this.#pause(context, wait)))
        return context.conclude(finalResponse(outcome, lastResponse, service))
      // Without a slot, the client gets Google's last response, not `too-busy`.
      slot = await Promise.resolve(this.#acquireSlot(context, retryDeadline - performance.now())).catch(noSlot)
      if (!slot) return context.conclude(finalResponse(outcome, lastResponse, service))
    }
  }

  /**
   * One attempt, in its slot. Waiting for the next one takes no slot.
   *
   * @param lastResponse Google's, if any: the client need not wait much longer for a better one
   */
  async #attempt(
    context: RetryContext,
    slot: Slot,
    lastResponse: BufferedResponse | null,
  ): Promise<{ outcome: Outcome; token: AccessToken | null }> {
    let refused = false
    try {
      const token = await this.#awaitToken(context)
      // No 'close' comes any more that would end an attempt.
      if (context.inbound.response.destroyed) throw clientGone
      const remainingRetryMs = lastResponse && Math.max(context.retryDeadline - performance.now(), minResponseTimeoutMs)
      const { exchange, line, trace } = this.#begin(context, token, remainingRetryMs)
      const outcome = await context.sender.send(exchange)
      line?.write(this.#options.logger, outcome)
      trace?.end(resultOf(outcome))
      refused = isRefusedForLoad(outcome)
      return { outcome, token }
    } catch (error) {
      if (!lastResponse || !(error instanceof ProxyError)) throw error
      return { outcome: { kind: 'failed', error, replayable: true }, token: null }
    } finally {
      slot.release(refused)
    }
  }

  #begin(context: RetryContext, token: AccessToken, remainingRetryMs: number | null) {
    const { inbound, permit, event, body, shouldBuffer, tokens } = context
    const { account, service, path } = permit
    const { dicomWebUrl: origin } = account
    const urls = account.urls?.(inbound.request) ?? null
    // It may have waited long, for its body, a token, a slot or its next attempt.
    checkRecordable(this.#options.audit)
    event.attempts += 1
    context.attempts += 1
    const trace = event.trace?.beginAttempt(event.attempts)
    const own = upstreamHeaders(this.#options.userAgent, account, token)
    const headers = { ...context.headers, ...trace?.headers, ...own }
    const { attempts: attempt, progress } = event
    const line = this.#options.logger.isLevelEnabled('debug') ? new AttemptLine(event, headers) : null
    tokens.add(token.value)
    event.quotaProject = account.quotaProject ?? token.quotaProject
    const observer = observeResponse(permit, event, tokens)
    const observe = line ? line.wrap(observer) : observer
    const isContended = () => account.limiters[service].queued > 0
    const exchange: Exchange = {
      inbound,
      service,
      origin,
      path,
      headers,
      urls,
      cacheControl: cacheControlFor(permit, account.privateCache),
      shouldBuffer,
      attempt,
      remainingRetryMs,
      isContended,
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
  async #acquireFirstSlot(context: RetryContext): Promise<Slot> {
    await this.#awaitToken(context)
    allowBody(context)
    const { account, service } = context.permit
    if (service === 'STOW-RS' && account.limiters[service].isOverHalfUsed) {
      await waitForFirstBytes(context.inbound, this.#options.timeouts, () =>
        abortOnClose(context.inbound, context.ending),
      )
    }
    // In one go with the check above: others that waited for the same token check next.
    return this.#acquireSlot(context, Number.POSITIVE_INFINITY)
  }

  /**
   * Most of the time one is free.
   *
   * @param maxWaitMs where that is less than what is configured
   */
  #acquireSlot(context: RetryContext, maxWaitMs: number): Slot | Promise<Slot> {
    const { account, service } = context.permit
    const limiter = account.limiters[service]
    return limiter.tryAcquire(context.event.fairnessKey) ?? this.#waitForSlot(context, limiter, maxWaitMs)
  }

  async #waitForSlot(context: RetryContext, limiter: ConcurrencyLimiter, maxWaitMs: number): Promise<Slot> {
    const { event } = context
    const { response } = context.inbound
    const { ending } = context
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
  #awaitToken(context: RetryContext): AccessToken | Promise<AccessToken> {
    const { account, service } = context.permit
    const found = account.tokens.token(service === 'STOW-RS' ? minTokenLifeForUploadMs : 0)
    if (found instanceof Promise) return this.#waitForToken(context, found)
    context.event.tokenReceived()
    return found
  }

  async #waitForToken(context: RetryContext, pending: Promise<AccessToken>): Promise<AccessToken> {
    const token = await this.#abortable(context, pending)
    context.event.tokenReceived()
    return token
  }

  /** False when the proxy ends meanwhile: there is no time for another attempt. */
  async #pause(context: RetryContext, milliseconds: number): Promise<boolean> {
    const { signal, done } = abortOnClose(context.inbound, context.ending)
    await delay(milliseconds, undefined, { signal }).catch(() => {})
    done()
    if (context.inbound.response.destroyed) throw clientGone
    return !signal.aborted
  }

  async #abortable<Value>(context: RetryContext, work: Promise<Value>): Promise<Value> {
    const { signal, done } = abortOnClose(context.inbound, context.ending)
    try {
      return await abortable(work, signal)
    } finally {
      done()
    }
  }
}

/** Of the client's headers, those that Google gets. */
function headersFor(
  request: Pick<InboundRequest, 'headers'>,
  { account, service, route, headers: requested }: Permit<ServedAccount>,
): Record<string, string> {
  const headers = Object.assign(outgoingHeaders(request.headers, service), requested)
  const coding = headers['accept-encoding']
  // The proxy reads what became of instances, and a deletion's operation.
  if (service === 'STOW-RS' || service === 'DELETE') delete headers['accept-encoding']
  else if (account.urls && coding !== undefined && (service === 'QIDO-RS' || route.endsWith('/metadata'))) {
    // To rewrite URLs, the proxy must decompress the response.
    if (acceptsGzip(coding)) headers['accept-encoding'] = 'gzip'
    else delete headers['accept-encoding']
  }
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

/** A permitted request, through all of its attempts. */
interface RetryContext {
  readonly inbound: Inbound
  permit: Permit<ServedAccount>
  /**
   * The path of a search that asks for less, should Google refuse what the client asks for; null
   * if there is none, or no more.
   */
  fewerFields: string | null
  readonly event: RequestEvent
  readonly body: ReplayBody | null
  readonly retryPolicy: RetryPolicy
  readonly shouldBuffer: (status: number) => boolean
  readonly deletion: Deletion | null
  /**
   * The request's arrival plus `Retry.TotalTimeout`: no attempt begins later. By
   * `performance.now()`.
   */
  readonly retryDeadline: number
  /** That it was sent with: none may come back in Google's words. */
  readonly tokens: Set<string>
  readonly sender: Sender
  /** Of each attempt, besides those that the proxy adds. */
  readonly headers: Readonly<Record<string, string>>
  /** Aborts all waits. */
  readonly ending: AbortSignal
  /** What becomes of a response that no better one will follow. */
  readonly conclude: (last: BufferedResponse) => Promise<Outcome>
  /** How often it was sent. The event counts those of all parts of a response. */
  attempts: number
}

/** What one of several requests to Google has of its own. */
export interface PartOfResponse {
  /** Reads the response. */
  readonly sender: Sender
  readonly headers: Readonly<Record<string, string>>
  readonly ending: AbortSignal
  /** No attempt begins later, by `performance.now()`. */
  readonly deadline: number
}

/**
 * What the client gets in the end: Google's last response. Without one, the last error is thrown;
 * so it is when an upload may have been stored after all, which matters more than the response to
 * an earlier attempt.
 */
function finalResponse(
  outcome: WithoutResponse,
  lastResponse: BufferedResponse | null,
  service: DicomWebService,
): BufferedResponse {
  if (outcome.kind === 'buffered') return outcome.response
  const { error, replayable } = outcome
  const mayBeStored = service === 'STOW-RS' && !replayable
  if (lastResponse && !mayBeStored) return lastResponse
  const isOnTheWay = afterConnection.has(error.code) && (mayBeStored || error.code === 'upstream-timeout')
  throw service === 'STOW-RS' && isOnTheWay ? error.explained(searchingFirst(error)) : error
}

/** Failures of connections that have carried the request, or a part of it. */
const afterConnection: ReadonlySet<ErrorCode> = new Set(['upstream-reset', 'upstream-invalid', 'upstream-timeout'])

/** The response goes to the client whole. */
async function giveUp(
  { inbound, permit, event, tokens }: RetryContext,
  lastResponse: BufferedResponse,
): Promise<Outcome> {
  observeBuffered(observeResponse(permit, event, tokens), lastResponse)
  return sendBuffered({ response: inbound.response, account: permit.account }, lastResponse, event)
}

/** When there is no slot, and for nothing else. */
function noSlot(error: unknown): null {
  if (error instanceof ProxyError) return null
  throw error
}

function tooLargeToResend(): ProxyError {
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
function allowBody({ inbound }: RetryContext): void {
  const { request, response } = inbound
  if (/100-continue/i.test(request.headers.expect ?? '') && request.httpVersion !== '1.0') response.writeContinue()
}
