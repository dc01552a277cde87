import { setTimeout as delay } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import { getSmallResponse } from '../../forward/buffered-response.ts'
import type { ServedAccount } from '../account.ts'
import { delayAfter } from '../retry-policy.ts'
import { upstreamHeaders } from '../upstream-headers.ts'
import { queuedSlot, type UploadContext } from './batch-attempts.ts'
import type { InstanceUids } from './instance-head.ts'

export interface InstanceRequestsOptions {
  readonly dispatcher: Dispatcher
  readonly userAgent: string
  readonly timeouts: Pick<UpstreamTimeouts, 'searchResponse' | 'response' | 'idle'>
}

type Headers = Readonly<Record<string, string>>

/** How often Google is asked for the same. */
const maxAttempts = 3
/** Milliseconds for one search. */
const maxSearchMs = 10_000

/**
 * Requests of the proxy's own about the instances of an upload. Each attempt has a slot of the
 * account's limiter, as a client's request would: of searches, or of retrievals. A rejected token
 * and a moment's failure cost another attempt.
 */
export class InstanceRequests {
  readonly #options: InstanceRequestsOptions

  constructor(options: InstanceRequestsOptions) {
    this.#options = options
  }

  /** Whether a search finds an instance of this name. Throws if there is no telling. */
  async isFound(upload: UploadContext, uids: InstanceUids): Promise<boolean> {
    const { dispatcher, timeouts } = this.#options
    const search = `studies/${uids.study}/instances?SOPInstanceUID=${uids.sopInstance}&limit=1`
    const url = new URL(search, upload.permit.account.dicomWebUrl)
    return this.#ask(upload, 'QIDO-RS', async (own) => {
      const signal = AbortSignal.timeout(Math.min(timeouts.searchResponse, maxSearchMs))
      const headers = { ...own, accept: 'application/dicom+json' }
      const { status, body } = await getSmallResponse(dispatcher, url, headers, signal)
      // Google says 204 if there is none.
      if (status === 204 || status === 404) return false
      if (status !== 200) throw new Refusal(status)
      return body.toString().includes(uids.sopInstance)
    })
  }

  /**
   * What is made of an instance's content as it arrives; false if there is none. Throws if it can't
   * be retrieved.
   */
  async compare(
    upload: UploadContext,
    uids: InstanceUids,
    isSame: (stored: AsyncIterable<Buffer>) => Promise<boolean>,
  ): Promise<boolean> {
    const { dispatcher, timeouts } = this.#options
    const url = instanceUrl(upload.permit.account, uids)
    return this.#ask(upload, 'WADO-RS', async (own) => {
      const { statusCode, body } = await dispatcher.request({
        origin: url.origin,
        path: url.pathname,
        method: 'GET',
        headers: { ...own, accept: 'application/dicom; transfer-syntax=*', 'accept-encoding': 'identity' },
        headersTimeout: timeouts.response,
        bodyTimeout: timeouts.idle,
      })
      try {
        if (statusCode === 404) return false
        if (statusCode !== 200) throw new Refusal(statusCode)
        return await isSame(body)
      } finally {
        body.on('error', () => {}).destroy()
      }
    })
  }

  async #ask<T>(
    upload: UploadContext,
    service: 'QIDO-RS' | 'WADO-RS',
    send: (headers: Headers) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#askOnce(upload, service, send)
      } catch (error) {
        if (!isTransient(error) || attempt === maxAttempts || upload.stop.aborted) throw error
        const wait = isRejectedToken(error) && attempt === 1 ? 0 : delayAfter(attempt, undefined)
        await delay(wait, undefined, { signal: upload.stop }).catch(() => {})
      }
    }
  }

  async #askOnce<T>(
    upload: UploadContext,
    service: 'QIDO-RS' | 'WADO-RS',
    send: (headers: Headers) => Promise<T>,
  ): Promise<T> {
    const { permit, event, tokens, stop } = upload
    const { account } = permit
    const limiter = account.limiters[service]
    let slot = limiter.tryAcquire(event.fairnessKey)
    if (!slot) {
      stop.throwIfAborted()
      slot = await queuedSlot(limiter.acquire(event.fairnessKey, Number.POSITIVE_INFINITY), stop)
    }
    let refused = false
    try {
      const token = await account.tokens.token(0)
      tokens.add(token.value)
      try {
        return await send(upstreamHeaders(this.#options.userAgent, account, token))
      } catch (error) {
        refused = error instanceof Refusal && [429, 503].includes(error.status)
        if (isRejectedToken(error)) account.tokens.invalidate(token)
        throw error
      }
    } finally {
      slot.release(refused)
    }
  }
}

/** Google's response to such a request, if it is none that tells. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number) {
    super(`Google's response is ${status}`)
    this.status = status
  }
}

function isRejectedToken(error: unknown): boolean {
  return error instanceof Refusal && error.status === 401
}

/** A search that takes too long is not tried again: many may wait for it. */
function isTransient(error: unknown): boolean {
  if (error instanceof Refusal) return error.status >= 500 || [401, 408, 425, 429].includes(error.status)
  return !(error instanceof Error && error.name === 'TimeoutError')
}

export function instanceUrl({ dicomWebUrl }: ServedAccount, { study, series, sopInstance }: InstanceUids): URL {
  return new URL(`studies/${study}/series/${series}/instances/${sopInstance}`, dicomWebUrl)
}
