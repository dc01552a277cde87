import { setTimeout as delay } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { inParallel } from '../../concurrency/in-parallel.ts'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import { getSmallResponse } from '../../forward/buffered-response.ts'
import type { ServedAccount } from '../account.ts'
import { delayAfter } from '../retry-policy.ts'
import { upstreamHeaders } from '../upstream-headers.ts'
import type { Batch } from './batch.ts'
import type { UploadContext } from './batch-attempts.ts'
import { type InstanceUids, uidsOf } from './instance-head.ts'
import type { FoundInstance } from './merged-response.ts'
import type { Part } from './part.ts'
import { DataSetHash, isSameDataSet } from './same-data-set.ts'
import type { StreamedPart } from './streamed-part.ts'

interface StoredInstancesOptions {
  readonly dispatcher: Dispatcher
  readonly userAgent: string
  readonly timeouts: Pick<UpstreamTimeouts, 'searchResponse' | 'response' | 'idle'>
}

export interface Settled {
  readonly found: readonly FoundInstance[]
  /** Null if nothing is left. */
  readonly rest: Batch | null
  /** Whether those that are left are certainly not stored. */
  readonly isCertain: boolean
}

/** Whether what Google has is what was sent. */
type Compare = (stored: AsyncIterable<Buffer>) => Promise<boolean>

/** Instances of one batch that are looked for at the same time. */
const maxConcurrent = 4
/** How often a refused instance is asked for. */
const maxRetrievals = 3
/** Milliseconds for one search. */
const maxSearchMs = 10_000

/**
 * Finds out which instances of a batch Google has, when its response doesn't say. That there is an
 * instance of this name is not enough: it may be an older one, with other content. So it is
 * retrieved, and compared with what was sent. What can't be retrieved counts as not stored.
 */
export class StoredInstances {
  readonly #options: StoredInstancesOptions

  constructor(options: StoredInstancesOptions) {
    this.#options = options
  }

  /** Never rejects. After a search without a result it stops searching. */
  async settle(upload: UploadContext, batch: Batch): Promise<Settled> {
    const found = new Map<Part, FoundInstance>()
    let isCertain = true
    await inParallel(batch.parts, maxConcurrent, async (part) => {
      if (!isCertain) return
      const uids = uidsOf(part.content)
      try {
        if (await this.#isStored(upload, uids, part)) found.set(part, this.#found(upload, uids))
      } catch {
        isCertain = false
      }
    })
    const rest = batch.only((part) => !found.has(part))
    return {
      found: batch.parts.flatMap((part) => found.get(part) ?? []),
      rest: rest.parts.length > 0 ? rest : null,
      isCertain,
    }
  }

  /**
   * Which of the instances that Google refuses it has just as they are. One that can't be retrieved
   * is not among them. Never rejects.
   */
  async identical(upload: UploadContext, refused: Batch): Promise<readonly FoundInstance[]> {
    const found = new Map<Part, FoundInstance>()
    await inParallel(refused.parts, maxConcurrent, async (part) => {
      const uids = uidsOf(part.content)
      const isIdentical = await this.#isIdentical(upload, uids, (stored) => isSameDataSet(part.content, stored))
      if (isIdentical) found.set(part, this.#found(upload, uids))
    })
    return refused.parts.flatMap((part) => found.get(part) ?? [])
  }

  /** The same for one that is no more in hand, by its digest. */
  async identicalStream(upload: UploadContext, { uids, digest }: StreamedPart): Promise<readonly FoundInstance[]> {
    if (digest === null) return []
    const isIdentical = await this.#isIdentical(upload, uids, async (stored) => {
      const hash = new DataSetHash()
      for await (const piece of stored) hash.push(piece)
      return hash.digest() === digest
    })
    return isIdentical ? [this.#found(upload, uids)] : []
  }

  /** A failure that may be a moment's is no reason to call an instance failed. */
  async #isIdentical(upload: UploadContext, uids: InstanceUids, isSame: Compare): Promise<boolean> {
    if (!hasUids(uids)) return false
    const { account } = upload.permit
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#isSame(instanceUrl(account, uids), await this.#headers(upload), isSame)
      } catch (error) {
        const isFinal = error instanceof RetrievalRefused && !error.isTransient
        if (isFinal || attempt === maxRetrievals || upload.stop.aborted) return false
        await delay(delayAfter(attempt, undefined), undefined, { signal: upload.stop }).catch(() => {})
      }
    }
  }

  async #isStored(upload: UploadContext, uids: InstanceUids, part: Part): Promise<boolean> {
    if (!hasUids(uids)) return false
    const { account } = upload.permit
    const headers = await this.#headers(upload)
    if (!(await this.#isFound(account, uids, headers))) return false
    return this.#isSame(instanceUrl(account, uids), headers, (stored) => isSameDataSet(part.content, stored))
  }

  #found({ permit: { account } }: UploadContext, uids: InstanceUids): FoundInstance {
    return { uids, url: instanceUrl(account, uids).href }
  }

  async #headers({ permit: { account }, tokens }: UploadContext): Promise<Readonly<Record<string, string>>> {
    const token = await account.tokens.token(0)
    tokens.add(token.value)
    return upstreamHeaders(this.#options.userAgent, account, token)
  }

  async #isFound(
    account: ServedAccount,
    uids: InstanceUids,
    headers: Readonly<Record<string, string>>,
  ): Promise<boolean> {
    const { dispatcher, timeouts } = this.#options
    const search = `studies/${uids.study}/instances?SOPInstanceUID=${uids.sopInstance}&limit=1`
    const url = new URL(search, account.dicomWebUrl)
    const signal = AbortSignal.timeout(Math.min(timeouts.searchResponse, maxSearchMs))
    const accept = 'application/dicom+json'
    const { status, body } = await getSmallResponse(dispatcher, url, { ...headers, accept }, signal)
    // Google says 204 if there is none.
    if (status === 204 || status === 404) return false
    if (status !== 200) throw new Error(`The search ended with ${status}`)
    return body.toString().includes(uids.sopInstance)
  }

  /** Throws if it can't be retrieved. */
  async #isSame(url: URL, headers: Readonly<Record<string, string>>, isSame: Compare): Promise<boolean> {
    const { dispatcher, timeouts } = this.#options
    const { statusCode, body } = await dispatcher.request({
      origin: url.origin,
      path: url.pathname,
      method: 'GET',
      headers: { ...headers, accept: 'application/dicom; transfer-syntax=*', 'accept-encoding': 'identity' },
      headersTimeout: timeouts.response,
      bodyTimeout: timeouts.idle,
    })
    try {
      if (statusCode === 404) return false
      if (statusCode !== 200) throw new RetrievalRefused(statusCode)
      return await isSame(body)
    } finally {
      body.on('error', () => {}).destroy()
    }
  }
}

class RetrievalRefused extends Error {
  readonly #status: number

  constructor(status: number) {
    super(`The retrieval ended with ${status}`)
    this.#status = status
  }

  /** A rejected token is as good as a moment's failure: there may be a new one. */
  get isTransient(): boolean {
    return this.#status >= 500 || [401, 408, 425, 429].includes(this.#status)
  }
}

/** PS3.5 9.1. What a file says goes into a URL. */
const isUid = /^(?=.{1,64}$)\d+(?:\.\d+)*$/

function hasUids({ study, series, sopInstance }: InstanceUids): boolean {
  return [study, series, sopInstance].every((uid) => isUid.test(uid))
}

function instanceUrl({ dicomWebUrl }: ServedAccount, { study, series, sopInstance }: InstanceUids): URL {
  return new URL(`studies/${study}/series/${series}/instances/${sopInstance}`, dicomWebUrl)
}
