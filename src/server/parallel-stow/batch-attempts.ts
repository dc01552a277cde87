import { setTimeout as delay } from 'node:timers/promises'
import type { QueuedSlot, Slot } from '../../concurrency/limiter.ts'
import type { RetrySettings } from '../../config/settings.ts'
import type { AccessToken } from '../../credentials/access-token.ts'
import type { Inbound } from '../../downstream/inbound.ts'
import { type ErrorCode, ProxyError } from '../../errors.ts'
import type { BatchSender, BatchSent } from '../../forward/batch-sender.ts'
import type { WholeResponse } from '../../forward/buffered-response.ts'
import type { Permit } from '../../guard/guard.ts'
import type { AuditTrail } from '../../observe/audit/audit-trail.ts'
import type { Logger } from '../../observe/logger.ts'
import type { RequestEvent } from '../../observe/request-event.ts'
import type { ServedAccount } from '../account.ts'
import { minTokenLifeForUploadMs } from '../attempts.ts'
import { checkRecordable } from '../check-recordable.ts'
import { delayAfter } from '../retry-policy.ts'
import { upstreamHeaders } from '../upstream-headers.ts'
import { BatchLine } from './batch-line.ts'
import type { RateCeiling } from './rate-ceiling.ts'
import { readStoreDocument, type StoreDocument, storedSequence } from './store-document.ts'

/** An upload whose batches are sent. */
export interface UploadContext {
  readonly inbound: Inbound
  readonly permit: Permit<ServedAccount>
  readonly event: RequestEvent
  /** For Google, of the client's request. */
  readonly headers: Readonly<Record<string, string>>
  readonly ceiling: RateCeiling
  /** That were sent to Google: none may come back in its words. */
  readonly tokens: Set<string>
  /** Aborts when nothing more is to be sent, because the client has left, for instance. */
  readonly stop: AbortSignal
  /** Waits so long for a batch's next attempt. Its connection may go to another one meanwhile. */
  readonly rest: (wait: Promise<void>) => Promise<void>
}

/** What is known of an upload before it is sent. */
export type ComingUpload = Omit<UploadContext, 'stop' | 'rest'>

/** What is sent as one request. */
export interface Sendable {
  /** @param onLast called before the last piece */
  body(onLast: () => void): AsyncIterable<Buffer> | Iterable<Buffer>
  readonly length: number | null
  /** How many it has. */
  readonly instances: number
  /** Makes it ready to be sent again, from its beginning; false if it can't be. */
  rewind(): boolean
  /** Google may not have read all that was sent: some of it may still wait in the socket. */
  mayWaitInSocket(): void
  /** Ends the request if its body can't be completed. */
  readonly signal: AbortSignal
}

type AttemptEnd = (
  | { readonly kind: 'stored'; readonly document: StoreDocument; readonly response: WholeResponse }
  | { readonly kind: 'refused'; readonly response: WholeResponse }
  | { readonly kind: 'failed'; readonly error: ProxyError }
) & {
  /** Whether Google may have stored something of it without saying so. */
  readonly isDoubtful: boolean
}

/** How it ended. */
export type BatchResult = AttemptEnd & { readonly attempts: number }

interface BatchAttemptsOptions {
  readonly sender: BatchSender
  readonly userAgent: string
  readonly retry: Pick<RetrySettings, 'totalTimeout'>
  readonly audit: Pick<AuditTrail, 'accepting'> | null
  readonly logger: Logger
  /** Aborts when the proxy is told to end: what failed is not sent again then. */
  readonly ending: AbortSignal
}

/** Statuses after which a batch is sent again. */
const transientStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
/** Of 4xx, those after which Google may have stored something: 409 says so of a part of the instances. */
const doubtfulStatuses: ReadonlySet<number> = new Set([408, 409])
const transientErrors: ReadonlySet<ErrorCode> = new Set([
  'upstream-unreachable',
  'upstream-reset',
  'upstream-timeout',
  'upstream-invalid',
  'token-unavailable',
  'too-busy',
])
/** Tokens that Google may reject during one batch: the first may be old, others a whim. */
const maxRejections = 3

/** Milliseconds after a full queue of the limiter. */
const slotRetryMs = 1_000

/** Sends one batch, as often as is safe and useful (docs/adr/0014). */
export class BatchAttempts {
  readonly #options: BatchAttemptsOptions

  constructor(options: BatchAttemptsOptions) {
    this.#options = options
  }

  /**
   * Null if nothing is left to be sent.
   *
   * @param firstSlot of the first attempt; each further one takes its own
   * @param settle finds out what was stored, after an attempt whose outcome is unknown, and leaves
   * the rest to be sent again; null if nothing is left
   */
  async send(
    upload: UploadContext,
    first: Sendable,
    firstSlot: Slot,
    settle: (sent: Sendable) => Promise<Sendable | null>,
  ): Promise<BatchResult | null> {
    let batch = first
    let slot: Slot | null = firstSlot
    let deadline = Number.POSITIVE_INFINITY
    let rejections = 0
    let isDoubtful = false
    for (let attempt = 1; ; attempt += 1) {
      const { sent, token } = await this.#attempt(upload, batch, slot, attempt)
      const result: BatchResult = { ...endOf(sent, isDoubtful), attempts: attempt }
      // Any other response may come before Google has read all.
      if (!isAllStored(result, batch)) batch.mayWaitInSocket()
      if (result.kind === 'stored') return result
      isDoubtful = result.isDoubtful
      deadline = Math.min(deadline, performance.now() + this.#options.retry.totalTimeout)
      let wait = delayAfter(attempt, sent.kind === 'response' ? sent.response.headers['retry-after'] : undefined)
      if (sent.kind === 'response' && sent.response.status === 401) {
        if (token) upload.permit.account.tokens.invalidate(token)
        rejections += 1
        if (rejections === 1) {
          wait = 0
          deadline = Math.max(deadline, performance.now() + 1)
        }
        if (rejections === maxRejections) return result
      } else if (!isTransient(sent)) return result
      if (!batch.rewind() || performance.now() + wait > deadline) return result
      if (!(await this.#rest(upload, wait))) return result
      if (isDoubtful) {
        const rest = await settle(batch)
        if (!rest) return null
        batch = rest
      }
      slot = await this.acquireSlot(upload, true)
      if (!slot) return result
    }
  }

  async #attempt(
    { permit, event, headers, tokens, ceiling }: UploadContext,
    batch: Sendable,
    slot: Slot,
    attempt: number,
  ): Promise<{ sent: BatchSent; token: AccessToken | null }> {
    const { account, path } = permit
    const { batches } = event
    let refused = false
    try {
      const token = await account.tokens.token(minTokenLifeForUploadMs)
      event.tokenReceived()
      checkRecordable(this.#options.audit)
      tokens.add(token.value)
      event.quotaProject = account.quotaProject ?? token.quotaProject
      event.attempts = Math.max(event.attempts, attempt)
      if (batches) {
        batches[attempt === 1 ? 'sent' : 'repeated'] += 1
        batches.inFlight += 1
      }
      const trace = event.trace?.beginAttempt(attempt, batch.instances)
      const line = this.#options.logger.isLevelEnabled('debug') ? new BatchLine(event, attempt, batch) : null
      const own = upstreamHeaders(this.#options.userAgent, account, token)
      let isSentWhole = false
      const onLast = () => {
        isSentWhole = true
      }
      const response = await this.#options.sender.send({
        origin: account.dicomWebUrl,
        path,
        headers: { ...headers, ...trace?.headers, ...own },
        body: ceiling.limited(batch.body(onLast)),
        length: batch.length,
        signal: batch.signal,
      })
      const sent = isSentWhole ? response : unlessPremature(response)
      if (batches) batches.inFlight -= 1
      line?.write(this.#options.logger, sent)
      const status = sent.kind === 'response' ? sent.response.status : null
      trace?.end({ status, code: sent.kind === 'failed' ? sent.error.code : undefined })
      event.progress.firstByteAt ??= status === null ? null : performance.now()
      refused = status === 429 || status === 503
      return { sent, token }
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error
      return { sent: { kind: 'failed', error, hasBegun: false }, token: null }
    } finally {
      slot.release(refused)
    }
  }

  /** False when nothing more is to be sent. */
  async #pause({ stop }: UploadContext, milliseconds: number): Promise<boolean> {
    const signal = AbortSignal.any([stop, this.#options.ending])
    if (milliseconds > 0) await delay(milliseconds, undefined, { signal }).catch(() => {})
    return !signal.aborted
  }

  /** The same between two attempts at a batch. */
  async #rest(upload: UploadContext, milliseconds: number): Promise<boolean> {
    if (milliseconds === 0) return this.#pause(upload, 0)
    const waiting = this.#pause(upload, milliseconds)
    await upload.rest(waiting.then(() => {}))
    return (await waiting) && !upload.stop.aborted
  }

  /**
   * Null when nothing more is to be sent.
   *
   * @param isPatient whether a full queue is no failure, because a part of the upload has been sent
   */
  async acquireSlot(upload: UploadContext, isPatient: boolean): Promise<Slot | null> {
    const { permit, event, stop } = upload
    const limiter = permit.account.limiters[permit.service]
    while (!stop.aborted) {
      const free = limiter.tryAcquire(event.fairnessKey)
      if (free) return free
      try {
        return await queuedSlot(limiter.acquire(event.fairnessKey, Number.POSITIVE_INFINITY), stop)
      } catch (error) {
        if (stop.aborted) return null
        if (!isPatient || !(error instanceof ProxyError)) throw error
        await this.#pause(upload, slotRetryMs)
      }
    }
    return null
  }
}

/** Ends the wait when nothing more is to be sent. */
export async function queuedSlot({ slot, cancel }: QueuedSlot, stop: AbortSignal): Promise<Slot> {
  const onStop = () => cancel(stop.reason)
  stop.addEventListener('abort', onStop, { once: true })
  try {
    return await slot
  } finally {
    stop.removeEventListener('abort', onStop)
  }
}

function endOf(sent: BatchSent, wasDoubtful: boolean): AttemptEnd {
  if (sent.kind === 'failed') return { ...sent, isDoubtful: wasDoubtful || sent.hasBegun }
  const { response } = sent
  const document = readStoreDocument(response)
  if (document) return { kind: 'stored', document, response, isDoubtful: wasDoubtful }
  const { status } = response
  const isUntouched = status >= 400 && status < 500 && !doubtfulStatuses.has(status)
  return { kind: 'refused', response, isDoubtful: wasDoubtful || !isUntouched }
}

function isAllStored(result: AttemptEnd, { instances }: Sendable): boolean {
  if (result.kind !== 'stored') return false
  const { items } = result.document
  return items.length >= instances && items.every(({ sequence }) => sequence === storedSequence)
}

/** Nothing is stored that was not sent to its end: what says so is not Google, or wrong. */
function unlessPremature(sent: BatchSent): BatchSent {
  if (sent.kind === 'failed') return sent
  const items = readStoreDocument(sent.response)?.items ?? []
  if (!items.some(({ sequence }) => sequence === storedSequence)) return sent
  const error = new ProxyError('upstream-invalid', {
    problem: 'The response says that instances are stored that have not been sent to their end.',
    remedy: 'Check the outgoing proxy and BaseUrl.',
  })
  return { kind: 'failed', error, hasBegun: true }
}

function isTransient(sent: BatchSent): boolean {
  if (sent.kind === 'response') return transientStatuses.has(sent.response.status)
  return transientErrors.has(sent.error.code) && !sent.error.isPermanent
}
