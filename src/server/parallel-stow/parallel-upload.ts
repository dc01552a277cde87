import type { Slot } from '../../concurrency/limiter.ts'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import { Batch } from './batch.ts'
import type { BatchAttempts, ComingUpload, UploadContext } from './batch-attempts.ts'
import { concludeBatch, concludeStream, type LastResponses, lostParts, lostStream } from './batch-conclusion.ts'
import { ClientBody } from './client-body.ts'
import { type BatchOutcome, noOutcome } from './merged-response.ts'
import { MultipartParser } from './multipart-parser.ts'
import type { ParallelStow } from './parallel-stow.ts'
import type { Part } from './part.ts'
import { PartQueue } from './part-queue.ts'
import { PartReader } from './part-reader.ts'
import type { StoredInstances } from './stored-instances.ts'
import type { StreamedPart } from './streamed-part.ts'

interface ParallelUploadOptions {
  readonly shared: ParallelStow
  readonly attempts: BatchAttempts
  readonly stored: StoredInstances
  readonly timeouts: Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>
  readonly boundary: string
}

/** What became of an upload. */
export interface UploadResult {
  /** Of each batch, in the order of the instances. */
  readonly outcomes: readonly BatchOutcome[]
  readonly last: Readonly<LastResponses>
  /** Why the body was not read to its end; null if it was, or Google wants none of it. */
  readonly failure: unknown
}

/** Batches in a row after whose failure nothing more is sent. */
const maxFailures = 4
/** How often (ms) further slots are tried for while none is free. */
const slotPollMs = 250

/** One upload: its parts are grouped to batches as they arrive, and sent side by side. */
export class ParallelUpload {
  readonly #options: ParallelUploadOptions
  readonly #upload: UploadContext
  readonly #parser: MultipartParser
  readonly #body: ClientBody
  readonly #reader: PartReader
  readonly #queue: PartQueue
  readonly #stopping: AbortController
  readonly #finished = Promise.withResolvers<void>()
  /** That waits for its slot. The body is not read while there is one. */
  #stream: StreamedPart | null = null
  /** Parts that came behind it all the same. */
  readonly #behindStream: Part[] = []
  /** In the order of the instances; null while it is on its way. */
  readonly #outcomes: (BatchOutcome | null)[] = []
  readonly #last: LastResponses = { document: null, refusal: null, error: null }
  /** Batches on their way, those that rest between two attempts among them. */
  #inFlight = 0
  /** Those that rest and have lent their connections to others. */
  #resting = 0
  /** Of those, the ones whose rest is over: they get the next connections. */
  readonly #rested: (() => void)[] = []
  #isWaitingForSlot = false
  #slotTimer: NodeJS.Timeout | null = null
  /** Why Google takes nothing of this upload any more. */
  #rejection: string | null = null
  /** Batches that failed for good, without a success in between. */
  #failures = 0
  #isBodyOver = false
  #isFinished = false
  #failure: unknown = null

  constructor(upload: ComingUpload, options: ParallelUploadOptions) {
    const { shared, boundary, timeouts } = options
    this.#options = options
    this.#stopping = new AbortController()
    this.#upload = { ...upload, stop: this.#stopping.signal, rest: (wait) => this.#rest(wait) }
    this.#queue = new PartQueue(shared.size, () => this.#dispatch())
    this.#reader = new PartReader({
      boundary,
      memory: shared.memory,
      maxPartBytes: shared.settings.batchBytes,
      isHashed: shared.settings.onDuplicate === 'verify',
      onPart: (part) => this.#add(part),
      onStream: (part) => {
        this.#countInstance()
        this.#stream = part
      },
      onFull: () => this.#body.pause(),
      onDrain: () => this.#resume(),
    })
    this.#parser = new MultipartParser(boundary, this.#reader, this.#reader)
    const { progress } = upload.event
    const isContended = () => shared.memory.isFull
    this.#body = new ClientBody(
      upload.inbound,
      { timeouts, progress, isContended },
      {
        onChunk: (chunk) => this.#read(() => this.#parser.push(chunk)),
        onEnd: () => this.#read(() => this.#endBody()),
        onFailure: (reason) => this.#stop(reason),
      },
    )
  }

  /** Resolves when all that was sent has ended. */
  async run(): Promise<UploadResult> {
    this.#body.start()
    // What holds nothing yet can wait before it does.
    if (this.#options.shared.memory.isFull) this.#waitForRoom()
    await this.#finished.promise
    this.#body.stop()
    // Of an upload that Google rejects, the rest is not read.
    this.#reader.discard()
    if (this.#slotTimer) clearTimeout(this.#slotTimer)
    return {
      outcomes: this.#outcomes.map((outcome) => outcome ?? noOutcome),
      last: this.#last,
      failure: this.#failure,
    }
  }

  #read(parse: () => void): void {
    try {
      parse()
    } catch (error) {
      this.#stop(error)
      return
    }
    this.#dispatch()
    if (this.#stream) this.#body.pause()
    else if (this.#options.shared.memory.isFull) this.#waitForRoom()
  }

  #resume(): void {
    if (!this.#stream) this.#body.resume()
  }

  #endBody(): void {
    this.#parser.end()
    this.#reader.end()
    this.#isBodyOver = true
    this.#queue.isClosed = true
  }

  #add(part: Part): void {
    this.#countInstance()
    if (this.#stream) this.#behindStream.push(part)
    else if (this.#rejection === null) this.#queue.add(part)
    else this.#lose([part], this.#rejection)
  }

  #countInstance(): void {
    const { batches } = this.#upload.event
    if (batches) batches.instances += 1
  }

  /**
   * Nobody waits for room who could make some: what this upload has complete goes out. If all that it
   * has is the beginning of an instance, that passes without being held.
   */
  #waitForRoom(): void {
    const hasOthers = this.#inFlight > 0 || this.#isWaitingForSlot || !this.#queue.isEmpty || this.#stream
    if (!hasOthers && this.#reader.canStream) {
      this.#resume()
      this.#read(() => this.#streamRest())
      return
    }
    // The rest of the memory that it writes to is all that it holds: it would wait for itself.
    if (!hasOthers) this.#reader.end()
    // What passes has a bound of its own. What is read for its UIDs goes as soon as it has come.
    const holdsMore = !this.#reader.isStreaming && !this.#reader.headsOnly
    if (this.#options.shared.memory.isFull && holdsMore && !this.#body.isPaused) {
      this.#body.pause()
      this.#options.shared.memory.whenRoom(() => this.#resume())
    }
  }

  #streamRest(): void {
    this.#parser.search()
    if (this.#queue.isEmpty && this.#reader.canStream) this.#reader.stream()
  }

  /** Nothing more is read or sent. What is on its way gets its response. */
  #stop(reason: unknown): void {
    if (this.#stopping.signal.aborted) return
    this.#failure = reason
    this.#body.stop()
    this.#reader.discard()
    this.#stream = null
    for (const part of [...this.#queue.clear(), ...this.#behindStream.splice(0)]) part.release()
    this.#stopping.abort(reason)
    this.#dispatch()
  }

  /** Nothing more is sent, but the rest of the instances is read, so that the response names them. */
  #reject(reason: string): void {
    if (this.#rejection !== null || this.#failure !== null) return
    this.#rejection = reason
    this.#lose(this.#queue.clear(), reason)
    if (this.#stream) {
      this.#outcomes.push({ ...noOutcome, lost: [lostStream(this.#stream, reason)] })
      this.#stream.discard()
      this.#stream = null
    }
    this.#lose(this.#behindStream.splice(0), reason)
    this.#reader.headsOnly = true
    // A part that is skipped by its length would have to be held whole.
    this.#read(() => this.#parser.search())
    this.#body.resume()
  }

  #lose(parts: readonly Part[], reason: string): void {
    if (parts.length > 0) this.#outcomes.push({ ...noOutcome, lost: lostParts(parts, this.#options.boundary, reason) })
    for (const part of parts) part.release()
  }

  /** Sends what is ready, as far as there are connections for it. */
  #dispatch(): void {
    while (this.#isReady && this.#hasConnection) {
      const slot = this.#tryAcquireSlot()
      if (!slot) return
      this.#begin(slot)
    }
    if (this.#isOver && !this.#isFinished) {
      this.#isFinished = true
      this.#finished.resolve()
    }
  }

  get #hasConnection(): boolean {
    return this.#inFlight - this.#resting < this.#options.shared.settings.connections
  }

  /**
   * A batch that has to wait before it is sent again keeps nothing else waiting. Half of the
   * connections are lent at the most: Google may have refused it because there is too much.
   */
  async #rest(wait: Promise<void>): Promise<void> {
    if (this.#resting + 1 > this.#options.shared.settings.connections / 2) return wait
    this.#resting += 1
    this.#wakeRested()
    this.#dispatch()
    await wait
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#rested.push(resolve)
    this.#wakeRested()
    await promise
  }

  #wakeRested(): void {
    while (this.#hasConnection) {
      const goOn = this.#rested.shift()
      if (!goOn) return
      this.#resting -= 1
      goOn()
    }
  }

  get #isReady(): boolean {
    if (this.#stream || this.#queue.isReady) return true
    if (!this.#queue.isEmpty) return this.#options.shared.memory.isFull
    // A body without any part is Google's to judge.
    return this.#isBodyOver && this.#outcomes.length === 0 && this.#failure === null
  }

  get #isOver(): boolean {
    if (this.#inFlight > 0 || this.#isWaitingForSlot || this.#isReady) return false
    // Without a success, nobody needs the rest of the instances by name.
    const isRejected = this.#rejection !== null && !this.#hasSuccess
    return this.#isBodyOver || this.#failure !== null || isRejected
  }

  get #hasSuccess(): boolean {
    return (
      this.#last.document !== null || this.#outcomes.some((outcome) => outcome !== null && outcome.found.length > 0)
    )
  }

  /**
   * The first connection of an upload waits in the queue for its slot; further ones take what is
   * free. So an upload gets fewer when others need them, or Google wants less.
   */
  #tryAcquireSlot(): Slot | null {
    if (this.#isWaitingForSlot) return null
    const { permit, event } = this.#upload
    const slot = permit.account.limiters[permit.service].tryAcquire(event.fairnessKey)
    if (slot) return slot
    if (this.#inFlight === 0) void this.#waitForSlot()
    else {
      this.#slotTimer ??= setTimeout(() => {
        this.#slotTimer = null
        this.#dispatch()
      }, slotPollMs)
    }
    return null
  }

  async #waitForSlot(): Promise<void> {
    this.#isWaitingForSlot = true
    try {
      const slot = await this.#options.attempts.acquireSlot(this.#upload, this.#outcomes.length > 0)
      this.#isWaitingForSlot = false
      if (slot && this.#isReady) this.#begin(slot)
      else slot?.release(false)
      this.#dispatch()
    } catch (error) {
      this.#isWaitingForSlot = false
      this.#stop(error)
    }
  }

  #begin(slot: Slot): void {
    const at = this.#outcomes.push(null) - 1
    this.#inFlight += 1
    // What came first goes first.
    const stream = this.#queue.isEmpty ? this.#stream : null
    const sending = stream ? this.#sendStream(stream, slot) : this.#sendBatch(slot)
    void sending.then(
      (outcome) => this.#conclude(at, outcome),
      (error) => {
        this.#conclude(at, noOutcome)
        this.#stop(error)
      },
    )
  }

  #conclude(at: number, outcome: BatchOutcome): void {
    this.#outcomes[at] = outcome
    this.#inFlight -= 1
    this.#wakeRested()
    const { failure } = outcome
    this.#failures = failure ? this.#failures + 1 : 0
    const { batches } = this.#upload.event
    if (batches && failure) batches.failed += 1
    if (failure && (failure.isForAll || this.#failures > maxFailures)) this.#reject(failure.reason)
    this.#dispatch()
    if (this.#options.shared.memory.isFull) this.#waitForRoom()
  }

  async #sendBatch(slot: Slot): Promise<BatchOutcome> {
    const { shared, attempts, stored, boundary } = this.#options
    const batch = new Batch(this.#queue.take(shared.settings.connections), boundary)
    const startedAt = performance.now()
    const { onDuplicate } = shared.settings
    const onStored = (sent: Batch) => shared.size.measured(sent.length, performance.now() - startedAt)
    try {
      return await concludeBatch(batch, {
        upload: this.#upload,
        attempts,
        stored,
        slot,
        last: this.#last,
        onStored,
        onDuplicate,
      })
    } finally {
      for (const part of batch.parts) part.release()
    }
  }

  async #sendStream(part: StreamedPart, slot: Slot): Promise<BatchOutcome> {
    const { attempts, stored } = this.#options
    this.#stream = null
    for (const behind of this.#behindStream.splice(0)) this.#queue.add(behind)
    this.#resume()
    try {
      return await concludeStream(part, { upload: this.#upload, attempts, stored, slot, last: this.#last })
    } finally {
      part.discard()
    }
  }
}
