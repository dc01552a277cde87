import type { Dispatcher } from 'undici'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import { getSmallResponse } from '../../forward/buffered-response.ts'
import type { ServedAccount } from '../account.ts'
import { upstreamHeaders } from '../upstream-headers.ts'
import type { Batch } from './batch.ts'
import type { UploadContext } from './batch-attempts.ts'
import { type InstanceUids, uidsOf } from './instance-head.ts'
import type { FoundInstance } from './merged-response.ts'
import type { Part } from './part.ts'
import { isSameDataSet } from './same-data-set.ts'

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

/** Instances of one batch that are looked for at the same time. */
const maxConcurrent = 4
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
  async settle({ permit: { account }, tokens }: UploadContext, batch: Batch): Promise<Settled> {
    const found = new Map<Part, FoundInstance>()
    const pending = [...batch.parts]
    let isCertain = true
    const lookForNext = async (): Promise<void> => {
      for (let part = pending.shift(); part && isCertain; part = pending.shift()) {
        const uids = uidsOf(part.content)
        try {
          if (await this.#isStored(account, tokens, uids, part)) {
            found.set(part, { uids, url: instanceUrl(account, uids).href })
          }
        } catch {
          isCertain = false
        }
      }
    }
    await Promise.all(Array.from({ length: maxConcurrent }, lookForNext))
    const rest = batch.only((part) => !found.has(part))
    return {
      found: batch.parts.flatMap((part) => found.get(part) ?? []),
      rest: rest.parts.length > 0 ? rest : null,
      isCertain,
    }
  }

  async #isStored(account: ServedAccount, tokens: Set<string>, uids: InstanceUids, part: Part): Promise<boolean> {
    const { study, series, sopInstance } = uids
    if (![study, series, sopInstance].every((uid) => isUid.test(uid))) return false
    const token = await account.tokens.token(0)
    tokens.add(token.value)
    const headers = upstreamHeaders(this.#options.userAgent, account, token)
    if (!(await this.#isFound(account, uids, headers))) return false
    return this.#isSame(instanceUrl(account, uids), headers, part.content)
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
  async #isSame(url: URL, headers: Readonly<Record<string, string>>, content: readonly Buffer[]): Promise<boolean> {
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
      if (statusCode !== 200) throw new Error(`The retrieval ended with ${statusCode}`)
      return await isSameDataSet(content, body)
    } finally {
      body.on('error', () => {}).destroy()
    }
  }
}

/** PS3.5 9.1. What a file says goes into a URL. */
const isUid = /^[0-9.]{1,64}$/

function instanceUrl({ dicomWebUrl }: ServedAccount, { study, series, sopInstance }: InstanceUids): URL {
  return new URL(`studies/${study}/series/${series}/instances/${sopInstance}`, dicomWebUrl)
}
