import { clientGone } from '../../concurrency/abort.ts'
import type { Slot } from '../../concurrency/limiter.ts'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import { ProxyError } from '../../errors.ts'
import type { WholeResponse } from '../../forward/batch-sender.ts'
import { diagnosisOf } from '../explanation.ts'
import { Batch, type Part } from './batch.ts'
import type { BatchAttempts, BatchResult, Sendable, UploadContext } from './batch-attempts.ts'
import { minBatchBytes } from './batch-size.ts'
import { ClientBody } from './client-body.ts'
import { uidsOf } from './instance-head.ts'
import type { BatchOutcome, FoundInstance, LostInstance } from './merged-response.ts'
import { MultipartError, MultipartParser, type PartVisitor } from './multipart-parser.ts'
import type { ParallelStow } from './parallel-stow.ts'
import type { StoredInstances } from './stored-instances.ts'
import { costOf, minPieceCost, StreamedPart } from './streamed-part.ts'

interface ParallelUploadOptions {
  readonly shared: ParallelStow
  readonly attempts: BatchAttempts
  readonly stored: StoredInstances
  readonly timeouts: Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>
  readonly boundary: string
}

/** What became of an upload: of each batch, in the order of the instances. */
export interface UploadResult {
  readonly outcomes: readonly BatchOutcome[]
  /** Google's last response of each kind; null without one. */
  readonly lastDocument: WholeResponse | null
  readonly lastRefusal: WholeResponse | null
  readonly lastError: ProxyError | null
  /** Why the body was not read to its end; null if it was. */
  readonly failure: unknown
}

/** Milliseconds that the first instances of a batch wait for others while a connection is free. */
const lingerMs = 20
/** How often (ms) further slots are tried for while none is free. */
const slotPollMs = 250
/** Small instances cost Google more than their bytes say. */
const maxPartsPerBatch = 500
/** A part that is kept beyond the size of a batch, so that an early refusal can be met. */
const extraKeptBytes = 1024 * 1024

/** One upload: its parts are grouped to batches as they arrive, and sent side by side. */
export class ParallelUpload implements PartVisitor {
  readonly #options: ParallelUploadOptions
  readonly #upload: UploadContext
  readonly #parser: MultipartParser
  readonly #body: ClientBody
  readonly #stopping: AbortController
  readonly #finished = Promise.withResolvers<void>()
  /** Complete parts that are to be sent. */
  readonly #queue: Part[] = []
  #queuedBytes = 0
  /** The part that arrives. */
  #head: Buffer | null = null
  #content: Buffer[] = []
  #length = 0
  #cost = 0
  #streamed: StreamedPart | null = null
  /** That waits for its slot. */
  #pendingStream: StreamedPart | null = null
  /** In the order of the instances; empty while it is on its way. */
  readonly #outcomes: (BatchOutcome | null)[] = []
  #inFlight = 0
  #isWaitingForSlot = false
  #isBodyOver = false
  #isLingering = false
  #isFinished = false
  #slotTimer: NodeJS.Timeout | null = null
  #lastDocument: WholeResponse | null = null
  #lastRefusal: WholeResponse | null = null
  #lastError: ProxyError | null = null
  #failure: unknown = null

  constructor(upload: Omit<UploadContext, 'stop'>, options: ParallelUploadOptions) {
    const stopping = new AbortController()
    this.#stopping = stopping
    this.#upload = { ...upload, stop: stopping.signal }
    this.#options = options
    this.#parser = new MultipartParser(options.boundary, this)
    const { inbound, event } = upload
    const bodyOptions = {
      timeouts: options.timeouts,
      progress: event.progress,
      isContended: () => options.shared.memory.isFull,
    }
    this.#body = new ClientBody(inbound, bodyOptions, {
      onChunk: (chunk) => this.#take(chunk),
      onEnd: () => this.#onBodyEnd(),
      onFailure: (reason) => this.#stop(reason),
    })
  }

  /** Resolves when all that was sent has had its end. */
  async run(): Promise<UploadResult> {
    this.#body.start()
    await this.#finished.promise
    return {
      outcomes: this.#outcomes.map((outcome) => outcome ?? nothing),
      lastDocument: this.#lastDocument,
      lastRefusal: this.#lastRefusal,
      lastError: this.#lastError,
      failure: this.#failure,
    }
  }

  beginPart(head: Buffer): void {
    this.#head = head
    this.#content = []
    this.#length = 0
    this.#cost = costOf(head) + minPieceCost
    this.#options.shared.memory.add(this.#cost)
  }

  data(piece: Buffer): void {
    if (this.#streamed) {
      if (!this.#streamed.push(piece)) this.#body.pause()
      return
    }
    this.#content.push(piece)
    this.#length += piece.length
    this.#cost += costOf(piece)
    this.#options.shared.memory.add(costOf(piece))
    if (this.#length > this.#options.shared.settings.batchBytes) this.#stream()
  }

  endPart(): void {
    if (this.#streamed) {
      this.#streamed.end()
      this.#streamed = null
      return
    }
    const part = { head: this.#head as Buffer, content: this.#content, length: this.#length, cost: this.#cost }
    this.#head = null
    this.#content = []
    this.#queue.push(part)
    this.#queuedBytes += part.length
  }

  #take(chunk: Buffer): void {
    try {
      this.#parser.push(chunk)
    } catch (error) {
      this.#stop(error)
      return
    }
    const { memory } = this.#options.shared
    if (memory.isFull) this.#waitForRoom()
    this.#dispatch()
  }

  #onBodyEnd(): void {
    try {
      this.#parser.end()
    } catch (error) {
      this.#stop(error)
      return
    }
    this.#isBodyOver = true
    this.#dispatch()
  }

  /**
   * Nobody waits for room who could make some: what this upload has complete goes out, and if all it
   * has is a part of an instance, that passes without being held.
   */
  #waitForRoom(): void {
    if (this.#queue.length === 0 && this.#inFlight === 0 && !this.#streamed && this.#head) this.#stream()
    if (this.#streamed) return
    this.#body.pause()
    this.#options.shared.memory.whenRoom(() => this.#body.resume())
  }

  /** The part that arrives is not held whole. */
  #stream(): void {
    const { shared, boundary } = this.#options
    this.#streamed = new StreamedPart(
      {
        head: this.#head as Buffer,
        boundary,
        memory: shared.memory,
        maxKeptBytes: shared.settings.batchBytes + extraKeptBytes,
        onDrain: () => this.#body.resume(),
      },
      this.#content,
    )
    this.#pendingStream = this.#streamed
    this.#head = null
    this.#content = []
  }

  /** Nothing more is read or sent. What is on its way gets its response. */
  #stop(reason: unknown): void {
    if (this.#stopping.signal.aborted) return
    this.#failure = reason
    this.#body.stop()
    this.#streamed?.discard()
    const { memory } = this.#options.shared
    memory.release(this.#queue.reduce((sum, { cost }) => sum + cost, 0) + (this.#head ? this.#cost : 0))
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#head = null
    this.#pendingStream = null
    this.#stopping.abort(reason instanceof Error ? reason : clientGone)
    this.#dispatch()
  }

  /** Sends what is ready, as far as there are connections for it. */
  #dispatch(): void {
    while (this.#isReady() && this.#inFlight < this.#options.shared.settings.connections) {
      const slot = this.#tryAcquireSlot()
      if (!slot) return
      this.#begin(slot)
    }
    const isIdle = this.#inFlight === 0 && !this.#isWaitingForSlot
    if (isIdle && !this.#isReady() && (this.#isBodyOver || this.#failure !== null)) this.#finish()
  }

  #finish(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#body.stop()
    if (this.#slotTimer) clearTimeout(this.#slotTimer)
    this.#finished.resolve()
  }

  #isReady(): boolean {
    if (this.#pendingStream && this.#queue.length === 0) return true
    if (this.#queue.length === 0) return this.#isBodyOver && this.#outcomes.length === 0
    const { memory } = this.#options.shared
    const isEnough = this.#queuedBytes >= minBatchBytes || this.#queue.length >= maxPartsPerBatch
    if (isEnough || this.#isBodyOver || this.#pendingStream || memory.isFull || this.#isLingering) return true
    this.#linger()
    return false
  }

  #linger(): void {
    setTimeout(() => {
      this.#isLingering = true
      this.#dispatch()
      this.#isLingering = false
    }, lingerMs)
  }

  /**
   * The first connection of an upload waits in the queue for its slot; further ones take what is
   * free. So an upload gets fewer when others need them, or Google wants less.
   */
  #tryAcquireSlot(): Slot | null {
    const { permit, event } = this.#upload
    const limiter = permit.account.limiters[permit.service]
    const slot = this.#isWaitingForSlot ? null : limiter.tryAcquire(event.fairnessKey)
    if (slot || this.#isWaitingForSlot) return slot
    if (this.#inFlight > 0) {
      this.#slotTimer ??= setTimeout(() => {
        this.#slotTimer = null
        this.#dispatch()
      }, slotPollMs)
      return null
    }
    this.#isWaitingForSlot = true
    void this.#waitForSlot()
    return null
  }

  async #waitForSlot(): Promise<void> {
    const slot = await this.#options.attempts.acquireSlot(this.#upload, this.#outcomes.length > 0).catch((error) => {
      this.#isWaitingForSlot = false
      this.#stop(error)
      return null
    })
    this.#isWaitingForSlot = false
    if (slot && this.#isReady()) this.#begin(slot)
    else slot?.release(false)
    this.#dispatch()
  }

  #begin(slot: Slot): void {
    const at = this.#outcomes.push(null) - 1
    this.#inFlight += 1
    const sending =
      this.#queue.length > 0 || !this.#pendingStream
        ? this.#sendBatch(slot)
        : this.#sendStream(slot, this.#pendingStream)
    void sending.then(
      (outcome) => this.#concluded(at, outcome),
      (error) => {
        this.#concluded(at, nothing)
        this.#stop(error)
      },
    )
  }

  #concluded(at: number, outcome: BatchOutcome): void {
    this.#outcomes[at] = outcome
    this.#inFlight -= 1
    this.#dispatch()
  }

  async #sendBatch(slot: Slot): Promise<BatchOutcome> {
    const { shared, attempts, stored } = this.#options
    const batch = this.#nextBatch()
    const found: FoundInstance[] = []
    const settle = async (sent: Sendable) => {
      const settled = await stored.settle(this.#upload, sent as Batch)
      found.push(...settled.found)
      return settled.rest
    }
    const startedAt = performance.now()
    try {
      const result = await attempts.send(this.#upload, batch, slot, settle)
      if (result?.kind === 'stored') shared.size.measured(batch.length, performance.now() - startedAt)
      return { ...(await this.#outcomeOf(result, batch, found)), found }
    } finally {
      shared.memory.release(batch.cost)
    }
  }

  #nextBatch(): Batch {
    const { shared, boundary } = this.#options
    const { connections } = shared.settings
    // At the end all connections get their share, so that they end at the same time.
    const share = this.#isBodyOver ? Math.ceil(this.#queuedBytes / connections) : Number.POSITIVE_INFINITY
    const maxBytes = Math.min(shared.size.bytes, Math.max(share, minBatchBytes))
    let bytes = 0
    let count = 0
    for (const { length } of this.#queue) {
      if (count === maxPartsPerBatch || (count > 0 && bytes + length > maxBytes)) break
      bytes += length
      count += 1
    }
    this.#queuedBytes -= bytes
    return new Batch(this.#queue.splice(0, count), boundary)
  }

  async #sendStream(slot: Slot, part: StreamedPart): Promise<BatchOutcome> {
    this.#pendingStream = null
    const { stop } = this.#upload
    const sendable = {
      body: () => part.body(),
      length: null,
      get isReplayable() {
        return part.isReplayable
      },
      signal: stop,
    }
    try {
      const result = await this.#options.attempts.send(this.#upload, sendable, slot, async () => sendable)
      if (!result || result.kind === 'stored') return { document: result?.document ?? null, found: [], lost: [] }
      return { document: null, found: [], lost: [{ uids: uidsOf(part.beginning), reason: this.#reasonOf(result) }] }
    } finally {
      part.discard()
    }
  }

  /** Of a batch: what was not stored has its reason. */
  async #outcomeOf(result: BatchResult | null, batch: Batch, found: FoundInstance[]): Promise<BatchOutcome> {
    if (!result) return { document: null, found, lost: [] }
    if (result.kind === 'stored') {
      this.#lastDocument = result.response
      return { document: result.document, found, lost: [] }
    }
    const reason = this.#reasonOf(result)
    const known = new Set(found.map(({ uids }) => uids.sopInstance))
    const left = batch.parts.filter(({ content }) => !known.has(uidsOf(content).sopInstance))
    const isOnly = this.#outcomes.length === 1 && this.#isBodyOver
    if (!result.isDoubtful || left.length === 0 || isOnly)
      return { document: null, found, lost: left.map(lostFor(reason)) }
    const settled = await this.#options.stored.settle(this.#upload, new Batch(left, this.#options.boundary))
    return {
      document: null,
      found: [...found, ...settled.found],
      lost: (settled.rest?.parts ?? []).map(lostFor(reason)),
    }
  }

  #reasonOf(result: Exclude<BatchResult, { kind: 'stored' }>): string {
    if (result.kind === 'failed') {
      this.#lastError = result.error
      return result.error.problem
    }
    this.#lastRefusal = result.response
    return `${diagnosisOf(result.response.status, this.#upload.event, this.#upload.permit).problem}.`
  }
}

function lostFor(reason: string): (part: Part) => LostInstance {
  return ({ content }) => ({ uids: uidsOf(content), reason })
}

const nothing: BatchOutcome = { document: null, found: [], lost: [] }

/** What a client is told of a body that can't be read. */
export function malformedBody(error: MultipartError, isBegun: boolean): ProxyError {
  const { message: problem } = error
  const remedy = isBegun
    ? 'Search what was stored of it, correct the body, and send the rest.'
    : 'Check how the client writes multipart/related (RFC 2046 5.1.1).'
  return new ProxyError('malformed-request', { problem, remedy })
}

export { MultipartError }
