import { Batch, closingDelimiter } from './batch.ts'
import type { BatchMemory } from './batch-memory.ts'
import { type InstanceUids, uidsOf } from './instance-head.ts'
import type { Part } from './part.ts'
import { DataSetHash } from './same-data-set.ts'

interface StreamedPartOptions {
  readonly boundary: string
  readonly memory: BatchMemory
  /** How much of the part is kept, so that it can be sent again: while the memory has room. */
  readonly maxKeptBytes: number
  /** Whether its digest is wanted. */
  readonly isHashed: boolean
  /** Called when more is wanted, after `push()` returned false. */
  readonly onDrain: () => void
}

/** What is kept beyond the beginning also in full memory, so that an early refusal can be met. */
const minKeptBytes = 1024 * 1024
/** Bytes that may wait for Google. */
const maxUnreadBytes = 256 * 1024
/** Far more than a socket takes before it has to be waited for. */
const maxSocketBytes = 1024 * 1024
/** UIDs are looked for in so much of a part, and in no less as long as more comes. */
const maxUidBytes = 64 * 1024
const minUidBytes = 4 * 1024
/** What a piece costs at the least: about the memory that the smallest takes. */
const minPieceCost = 512

function costOf({ length }: Buffer): number {
  return Math.max(length, minPieceCost)
}

function isComplete(uids: InstanceUids): boolean {
  return Object.values(uids).every((uid) => uid !== '')
}

/**
 * A part that is too large to be held: it passes as it arrives, as a body of its own. As long as
 * little of it has come, all of that is kept, and it can be sent again.
 */
export class StreamedPart {
  readonly #options: StreamedPartOptions
  /** Its beginning, with boundary and head; null once that is sent, and not kept. */
  #beginning: Part | null
  /** What came after it, from {@link #from} on. */
  #pieces: Buffer[] = []
  /** How many pieces before those are gone. */
  #from = 0
  /** Of the body that is being sent: the next piece. */
  #next = 0
  /** Bytes of the pieces that were sent. */
  #sent = 0
  #bytes: number
  readonly #minKeptBytes: number
  #unread = 0
  #isKept = true
  #isEnded = false
  #isWaitingForRoom = false
  /** Nothing of it is sent any more. */
  #isOnlyRead = false
  #isDiscarded = false
  readonly #over = Promise.withResolvers<void>()
  #isSentWhole = false
  /** Only the latest attempt may take pieces: an earlier one may still wait for some. */
  #attempt = 1
  #wake: () => void = () => {}
  readonly #hash: DataSetHash | null
  #digest: string | null = null
  #uids: InstanceUids
  /** Copies of what has come, while that doesn't have all UIDs; null once it has, or never will. */
  #head: Buffer[] | null
  #headBytes = 0

  /** @param beginning what has come of it */
  constructor(options: StreamedPartOptions, beginning: Part) {
    this.#options = options
    this.#beginning = beginning
    this.#bytes = beginning.length
    this.#minKeptBytes = beginning.length + minKeptBytes
    this.#uids = uidsOf(beginning.content)
    this.#head = isComplete(this.#uids) ? null : []
    for (const piece of beginning.content) this.#keepHead(piece)
    this.#hash = options.isHashed ? new DataSetHash() : null
    for (const piece of beginning.content) this.#hash?.push(piece)
  }

  /** Complete when as much has come as they are in: also of a part that is not sent any more. */
  get uids(): InstanceUids {
    if (this.#head) {
      this.#uids = uidsOf(this.#head)
      if (isComplete(this.#uids) || this.#headBytes >= maxUidBytes) this.#head = null
    }
    return this.#uids
  }

  #keepHead(piece: Buffer): void {
    if (!this.#head) return
    this.#head.push(Buffer.from(piece))
    this.#headBytes += piece.length
    if (this.#headBytes >= minUidBytes) void this.uids
  }

  /** Of its data set, at its end; null if it can't be told. */
  get digest(): string | null {
    return this.#digest
  }

  /** Whether Google may have all of it. */
  get isSentWhole(): boolean {
    return this.#isSentWhole
  }

  /** All of it, as it was sent; null while it is not complete, or if some of it is gone. */
  get content(): readonly Buffer[] | null {
    if (!this.#isKept || !this.#isEnded || !this.#beginning) return null
    return [...this.#beginning.content, ...this.#pieces]
  }

  /**
   * False if it can't be sent again: some of what has come is gone. Else nothing of it goes before it
   * is sent again: too much that comes meanwhile has to wait.
   */
  rewind(): boolean {
    if (!this.#isKept) return false
    this.#attempt += 1
    this.#next = 0
    this.#sent = 0
    this.#unread = this.#pieces.reduce((sum, { length }) => sum + length, 0)
    return true
  }

  /** What has come later is never used again: only its beginning is in memory that may be. */
  mayWaitInSocket(): void {
    this.#beginning?.mayWaitInSocket()
  }

  /** False: wait for `onDrain`. */
  push(piece: Buffer): boolean {
    this.#keepHead(piece)
    if (this.#isDiscarded) return true
    this.#hash?.push(piece)
    if (this.#isOnlyRead) return true
    this.#options.memory.add(costOf(piece))
    this.#pieces.push(piece)
    this.#bytes += piece.length
    this.#unread += piece.length
    const { memory, maxKeptBytes } = this.#options
    if (this.#bytes > (memory.isFull ? this.#minKeptBytes : maxKeptBytes)) this.#isKept = false
    this.#dropRead()
    this.#wake()
    this.#isWaitingForRoom = this.#unread > maxUnreadBytes
    return !this.#isWaitingForRoom
  }

  /** The part is complete. */
  end(): void {
    this.#isEnded = true
    this.#digest = this.#hash?.digest() ?? null
    this.#over.resolve()
    this.#wake()
  }

  /**
   * Resolves when all of it has come, if its digest is wanted, or it is discarded. What comes is not
   * sent.
   */
  async readToEnd(): Promise<void> {
    if (this.#hash === null || this.#isEnded || this.#isDiscarded) return
    this.#isOnlyRead = true
    this.#isKept = false
    this.#drop()
    await this.#over.promise
  }

  /** Nothing more is sent of it. */
  discard(): void {
    if (this.#isDiscarded) return
    this.#isDiscarded = true
    this.#over.resolve()
    this.#drop()
  }

  #drop(): void {
    this.#release(this.#pieces)
    this.#beginning?.release()
    this.#beginning = null
    this.#pieces = []
    this.#unread = 0
    this.#wake()
    this.#drained()
  }

  /**
   * From its beginning: once, and again after each `rewind()`.
   *
   * @param onLast called before the last piece
   */
  body(onLast: () => void = () => {}): AsyncGenerator<Buffer> {
    return this.#bodyOf(this.#attempt, onLast)
  }

  async *#bodyOf(attempt: number, onLast: () => void): AsyncGenerator<Buffer> {
    const { boundary } = this.#options
    if (this.#beginning) yield* beginningOf(this.#beginning, boundary)
    for (;;) {
      if (attempt !== this.#attempt) throw new Error('Another attempt sends the instance')
      const piece = this.#pieces[this.#next - this.#from]
      if (piece) {
        this.#next += 1
        yield piece
        if (attempt !== this.#attempt) continue
        this.#sent += piece.length
        this.#unread -= piece.length
        this.#dropRead()
        this.#drained()
      } else if (this.#isDiscarded || this.#isOnlyRead) throw new Error('The rest of the instance does not come')
      else if (this.#isEnded) break
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    this.#isSentWhole = true
    onLast()
    yield closingDelimiter(boundary)
  }

  #dropRead(): void {
    if (this.#isKept) return
    // Its memory is used again: no byte of it may still wait in the socket.
    if (this.#sent > maxSocketBytes) {
      this.#beginning?.release()
      this.#beginning = null
    }
    const read = this.#pieces.splice(0, this.#next - this.#from)
    this.#from += read.length
    this.#release(read)
  }

  #release(pieces: readonly Buffer[]): void {
    if (pieces.length > 0) this.#options.memory.release(pieces.reduce((sum, piece) => sum + costOf(piece), 0))
  }

  #drained(): void {
    if (!this.#isWaitingForRoom || this.#unread > maxUnreadBytes) return
    this.#isWaitingForRoom = false
    this.#options.onDrain()
  }
}

/** Without the closing boundary. */
function* beginningOf(part: Part, boundary: string): Generator<Buffer> {
  const pieces = [...new Batch([part], boundary).body()]
  yield* pieces.slice(0, -1)
}
