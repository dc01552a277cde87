import { inParallel } from '../../concurrency/in-parallel.ts'
import type { Batch } from './batch.ts'
import type { UploadContext } from './batch-attempts.ts'
import type { InstanceUids } from './instance-head.ts'
import { InstanceRequests, type InstanceRequestsOptions, instanceUrl } from './instance-requests.ts'
import type { FoundInstance } from './merged-response.ts'
import type { Part } from './part.ts'
import { DataSetHash, isSameDataSet } from './same-data-set.ts'
import type { StreamedPart } from './streamed-part.ts'

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

/**
 * Finds out which instances of a batch Google has, when its response doesn't say. That there is an
 * instance of this name is not enough: it may be an older one, with other content. So it is
 * retrieved, and compared with what was sent. What can't be retrieved counts as not stored.
 */
export class StoredInstances {
  readonly #requests: InstanceRequests

  constructor(options: InstanceRequestsOptions) {
    this.#requests = new InstanceRequests(options)
  }

  /** Never rejects. After a search without a result it stops searching. */
  async settle(upload: UploadContext, batch: Batch): Promise<Settled> {
    const found = new Map<Part, FoundInstance>()
    let isCertain = true
    await inParallel(batch.parts, maxConcurrent, async (part) => {
      if (!isCertain) return
      const { uids } = part
      try {
        if (await this.#isStored(upload, uids, part.content)) found.set(part, this.#found(upload, uids))
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
      const { uids } = part
      const isIdentical = await this.#isIdentical(upload, uids, (stored) => isSameDataSet(part.content, stored))
      if (isIdentical) found.set(part, this.#found(upload, uids))
    })
    return refused.parts.flatMap((part) => found.get(part) ?? [])
  }

  /** What `settle()` does, for one that has passed: by its content if all of that is kept, or by its digest. */
  async settleStream(upload: UploadContext, part: StreamedPart): Promise<readonly FoundInstance[]> {
    const { content, uids } = part
    if (!content) return this.identicalStream(upload, part)
    const isStored = await this.#isStored(upload, uids, content).catch(() => false)
    return isStored ? [this.#found(upload, uids)] : []
  }

  /** `identical()` for one that is no more in hand, by its digest. */
  async identicalStream(upload: UploadContext, { uids, digest }: StreamedPart): Promise<readonly FoundInstance[]> {
    if (digest === null) return []
    const isIdentical = await this.#isIdentical(upload, uids, async (stored) => {
      const hash = new DataSetHash()
      for await (const piece of stored) hash.push(piece)
      return hash.digest() === digest
    })
    return isIdentical ? [this.#found(upload, uids)] : []
  }

  async #isIdentical(upload: UploadContext, uids: InstanceUids, isSame: Compare): Promise<boolean> {
    if (!hasUids(uids)) return false
    return this.#requests.compare(upload, uids, isSame).catch(() => false)
  }

  async #isStored(upload: UploadContext, uids: InstanceUids, content: readonly Buffer[]): Promise<boolean> {
    if (!hasUids(uids) || !(await this.#requests.isFound(upload, uids))) return false
    return this.#requests.compare(upload, uids, (stored) => isSameDataSet(content, stored))
  }

  #found({ permit: { account } }: UploadContext, uids: InstanceUids): FoundInstance {
    return { uids, url: instanceUrl(account, uids).href }
  }
}

/** PS3.5 9.1. What a file says goes into a URL. */
const isUid = /^(?=.{1,64}$)\d+(?:\.\d+)*$/

function hasUids({ study, series, sopInstance }: InstanceUids): boolean {
  return [study, series, sopInstance].every((uid) => isUid.test(uid))
}
