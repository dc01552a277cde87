import type { Slot } from '../../concurrency/limiter.ts'
import type { OnDuplicate } from '../../config/settings.ts'
import type { ErrorCode, ProxyError } from '../../errors.ts'
import type { WholeResponse } from '../../forward/buffered-response.ts'
import { observeBuffered } from '../../forward/response-observer.ts'
import { diagnosisOf } from '../explanation.ts'
import { observeResponse } from '../observe-response.ts'
import type { Batch } from './batch.ts'
import type { BatchAttempts, BatchResult, Sendable, UploadContext } from './batch-attempts.ts'
import { instancesIn } from './hidden-instances.ts'
import {
  alreadyStored,
  type BatchOutcome,
  type FoundInstance,
  type LostInstance,
  noOutcome,
  withSuccesses,
} from './merged-response.ts'
import type { Part } from './part.ts'
import { type StoreDocument, storedSequence } from './store-document.ts'
import type { Settled, StoredInstances } from './stored-instances.ts'
import type { StreamedPart } from './streamed-part.ts'
import { namesAsMany, storedOf, unnamedIn, withoutNameless } from './unnamed-instances.ts'

/** What Google said last, by what it is. */
export interface LastResponses {
  document: WholeResponse | null
  refusal: WholeResponse | null
  error: ProxyError | null
}

interface SendingContext {
  readonly upload: UploadContext
  readonly attempts: BatchAttempts
  readonly stored: StoredInstances
  readonly slot: Slot
  readonly last: LastResponses
}

interface BatchContext extends SendingContext {
  readonly onDuplicate: OnDuplicate
  /** It was stored at the first attempt. */
  readonly onStored: (sent: Batch) => void
}

/**
 * Statuses by which Google refuses not these instances but any: identity, rights, no such store,
 * the form of request and response.
 */
const rejections: ReadonlySet<number> = new Set([401, 403, 404, 405, 406, 411, 413, 415])

type StoredResult = Extract<BatchResult, { kind: 'stored' }>
type Review = Pick<BatchOutcome, 'corrected'> & { readonly document: StoreDocument }
type LookedUp = Pick<BatchOutcome, 'found' | 'lost'> & { readonly document: StoreDocument }

/** Sends a batch to its end, and finds out what became of each of its instances. */
export async function concludeBatch(batch: Batch, context: BatchContext): Promise<BatchOutcome> {
  const outcome = await outcomeOf(batch, context)
  if (outcome.found.length + outcome.lost.length === 0) return outcome
  const instances = batch.parts.flatMap((part) => instancesIn(part, batch.boundary))
  return { ...outcome, order: instances.map(({ sopInstance }) => sopInstance) }
}

async function outcomeOf(batch: Batch, context: BatchContext): Promise<BatchOutcome> {
  const { upload, attempts, slot, stored, onStored } = context
  const found: FoundInstance[] = []
  let left: Batch | null = batch
  const settle = async (sent: Batch): Promise<Settled> => {
    const settled = await stored.settle(upload, sent)
    found.push(...settled.found)
    left = settled.rest
    return settled
  }
  const result = await attempts.send(upload, batch, slot, async (sent) => (await settle(sent as Batch)).rest)
  if (!result) return { ...noOutcome, found }
  if (result.kind === 'stored') {
    context.last.document = result.response
    if (result.attempts === 1) onStored(batch)
    const review = await reviewed(result, left, context)
    const unnamed = await lookedUp(review.document, result, left, context)
    return { ...noOutcome, ...review, ...unnamed, found: [...found, ...unnamed.found] }
  }
  const reason = reasonOf(result, context)
  const isCertain = !result.isDoubtful || (await settle(left)).isCertain
  // TypeScript doesn't see that `settle` changes it.
  const lost = (left as Batch | null)?.parts ?? []
  if (found.length > 0 && lost.length === 0) return { ...noOutcome, found }
  return {
    ...noOutcome,
    found,
    lost: lostParts(lost, batch.boundary, isCertain ? reason : `${reason} ${perhapsStored}`),
    failure: { reason, isForAll: isForAll(result), cause: causeOf(result) },
  }
}

/**
 * The same for a part that passes as it arrives. It is compared with Google's only if its digest is
 * known.
 */
export async function concludeStream(part: StreamedPart, context: SendingContext): Promise<BatchOutcome> {
  const { upload, attempts, stored, slot } = context
  const sendable: Sendable = {
    body: (onLast) => part.body(onLast),
    length: null,
    instances: 1,
    rewind: () => part.rewind(),
    mayWaitInSocket: () => part.mayWaitInSocket(),
    signal: upload.stop,
  }
  let found: readonly FoundInstance[] = []
  const settle = async (sent: Sendable) => {
    if (part.isSentWhole) found = await stored.settleStream(upload, part)
    return found.length > 0 ? null : sent
  }
  const result = await attempts.send(upload, sendable, slot, settle)
  if (!result) return { ...noOutcome, found }
  if (result.kind === 'stored') {
    context.last.document = result.response
    const review = await reviewedStream(result, part, context)
    return { ...noOutcome, ...review, ...(await lookedUpStream(review.document, result, part, context)) }
  }
  const reason = reasonOf(result, context)
  const isDoubtful = result.isDoubtful && part.isSentWhole
  if (isDoubtful) found = await stored.settleStream(upload, part)
  if (found.length > 0) return { ...noOutcome, found }
  const lost = [lostStream(part, isDoubtful ? `${reason} ${perhapsStored}` : reason)]
  return { ...noOutcome, lost, failure: { reason, isForAll: isForAll(result), cause: causeOf(result) } }
}

/**
 * What became of the instances that Google's response doesn't name. One that Google has, just as it
 * was sent, counts as stored; any other as a failure, for a success is nothing to be guessed.
 */
async function lookedUp(
  document: StoreDocument,
  { response }: StoredResult,
  sent: Batch,
  { upload, stored }: SendingContext,
): Promise<LookedUp> {
  const nothing = { document, found: [], lost: [] }
  if (namesAsMany(document, sent.instances)) return nothing
  const byUid = Map.groupBy(sent.parts, ({ uids }) => uids.sopInstance)
  const unnamed = unnamedIn(
    document,
    [...byUid].flatMap(([uid, parts]) => parts.map(() => uid)),
  )
  if (unnamed.counts.size === 0) return nothing
  const wanted = new Set([...unnamed.counts.keys()].flatMap((uid) => byUid.get(uid) ?? []))
  const settled = await stored.settle(
    upload,
    sent.only((part) => wanted.has(part)),
  )
  const found = storedOf(unnamed, document, settled.found)
  const foundByUid = Map.groupBy(found, ({ uids }) => uids.sopInstance)
  const reason = notNamed(response, settled.isCertain)
  const lost = [...unnamed.counts].flatMap(([uid, count]) =>
    (byUid.get(uid) ?? [])
      .slice(0, count - (foundByUid.get(uid)?.length ?? 0))
      .map(({ uids }): LostInstance => ({ uids, reason })),
  )
  const { namelessFailures } = unnamed
  const isExplained = lost.length <= namelessFailures
  const notExplained = isExplained ? [] : lost
  upload.event.notNamed(found.length + notExplained.length)
  return {
    document: isExplained ? document : withoutNameless(document, namelessFailures),
    found,
    lost: notExplained,
  }
}

/** The same for a part that passes as it arrives. */
async function lookedUpStream(
  document: StoreDocument,
  { response }: StoredResult,
  part: StreamedPart,
  { upload, stored }: SendingContext,
): Promise<LookedUp> {
  const nothing = { document, found: [], lost: [] }
  const { counts, namelessFailures } = unnamedIn(document, [part.uids.sopInstance])
  if (counts.size === 0) return nothing
  const found = await stored.settleStream(upload, part)
  if (found.length === 0 && namelessFailures > 0) return nothing
  upload.event.notNamed(1)
  return { document, found, lost: found.length > 0 ? [] : [lostStream(part, notNamed(response, false))] }
}

function notNamed({ status }: WholeResponse, isCertain: boolean): string {
  const problem = `Google's response (${status}) does not name this instance`
  return isCertain ? `${problem}, and Google does not have it as it was sent.` : `${problem}. ${perhapsStored}`
}

/** As {@link reviewed} does: what an attempt without a response has stored is none that was there before. */
async function reviewedStream(
  { document, isDoubtful }: StoredResult,
  part: StreamedPart,
  { upload, stored }: SendingContext,
): Promise<Review> {
  if (document.items.every(({ sequence }) => sequence === storedSequence)) return { document, corrected: [] }
  // Google may refuse it before it has come to its end.
  await part.readToEnd()
  const found = isDoubtful ? await stored.settleStream(upload, part) : await stored.identicalStream(upload, part)
  const result = withSuccesses(document, found, isDoubtful ? null : alreadyStored)
  if (!isDoubtful) upload.event.identical(result.corrected)
  return result
}

/** Parts that are not stored. */
export function lostParts(parts: readonly Part[], boundary: string, reason: string): readonly LostInstance[] {
  return parts.flatMap((part) => instancesIn(part, boundary)).map((uids) => ({ uids, reason }))
}

/** The same for one that passes as it arrives: its UIDs may still be to come. */
export function lostStream(part: StreamedPart, reason: string): LostInstance {
  return {
    get uids() {
      return part.uids
    },
    reason,
  }
}

const perhapsStored = 'It may be stored all the same: search before you send it again.'

/**
 * Google's response, with failures that are none as successes. Google may have stored an instance at
 * an attempt that brought no response, and refuse it at the next as one that exists. One that it had
 * before, just as it is, counts as the account says.
 */
async function reviewed(
  { document, isDoubtful }: StoredResult,
  sent: Batch,
  { upload, stored, onDuplicate }: BatchContext,
): Promise<Review> {
  const unchanged = { document, corrected: [] }
  if (!isDoubtful && onDuplicate === 'fail') return unchanged
  const failures = new Set(document.items.flatMap((item) => (item.sequence === storedSequence ? [] : item.sopInstance)))
  const refused = sent.only(({ uids }) => failures.has(uids.sopInstance))
  if (refused.parts.length === 0) return unchanged
  const found =
    onDuplicate === 'verify' ? await stored.identical(upload, refused) : (await stored.settle(upload, refused)).found
  const result = withSuccesses(document, found, isDoubtful ? null : alreadyStored)
  if (!isDoubtful) upload.event.identical(result.corrected)
  return result
}

type Failure = Exclude<BatchResult, { kind: 'stored' }>

/** Also notes it for a client of which nothing was stored. */
function reasonOf(result: Failure, { upload, last }: SendingContext): string {
  const { permit, event, tokens } = upload
  if (result.kind === 'failed') {
    last.error = result.error
    return result.error.problem
  }
  last.refusal = result.response
  observeBuffered(observeResponse(permit, event, tokens), result.response)
  const { status } = result.response
  if (status < 400) return `Google's response (${status}) does not say what became of the instance.`
  return diagnosisOf(status, event, permit).problem
}

function isForAll(result: Failure): boolean {
  return result.kind === 'failed' ? result.error.isPermanent : rejections.has(result.response.status)
}

function causeOf(result: Failure): number | ErrorCode {
  return result.kind === 'failed' ? result.error.code : result.response.status
}
