import type { BatchMemory } from './batch-memory.ts'
import { type InstanceUids, uidsOf } from './instance-head.ts'

interface StreamedPartOptions {
  readonly head: Buffer
  readonly boundary: string
  readonly memory: BatchMemory
  /** How much of the part is kept, so that it can be sent again. */
  readonly maxKeptBytes: number
  /** Called when more is wanted, after `push()` returned false. */
  readonly onDrain: () => void
}

/** Bytes that may wait for Google. */
const maxUnreadBytes = 256 * 1024
/** What a piece costs at the least: about the memory that the smallest takes. */
export const minPieceCost = 512

export function costOf({ length }: Buffer): number {
  return Math.max(length, minPieceCost)
}

/**
 * A part that is too large to be held: it passes as it arrives, as a body of its own. As long as
 * little of it has come, all of that is kept, and it can be sent again.
 */
export class StreamedPart {
  readonly #options: StreamedPartOptions
  /** From {@link #from} on. */
  #pieces: Buffer[] = []
  /** How many pieces before those are gone. */
  #from = 0
  /** Of the body that is being sent: the next piece. */
  #next = 0
  #bytes = 0
  #unread = 0
  #isKept = true
  #isEnded = false
  #isWaitingForRoom = false
  #isDiscarded = false
  #wake: () => void = () => {}
  #isSentWhole = false
  readonly uids: InstanceUids

  /** @param beginning what has come of it; the memory counts that already */
  constructor(options: StreamedPartOptions, beginning: readonly Buffer[]) {
    this.#options = options
    this.uids = uidsOf(beginning)
    for (const piece of beginning) this.#take(piece)
  }

  /** Whether Google may have all of it. */
  get isSentWhole(): boolean {
    return this.#isSentWhole
  }

  /** What it takes of the memory. */
  get cost(): number {
    return this.#pieces.reduce((sum, piece) => sum + costOf(piece), 0)
  }

  /**
   * Whether it can be sent again: all of it that has come is still there, and Google can't have
   * stored it.
   */
  isReplayable(isDoubtful: boolean): boolean {
    return this.#isKept && !(isDoubtful && this.#isSentWhole)
  }

  /** False: wait for `onDrain`. */
  push(piece: Buffer): boolean {
    if (this.#isDiscarded) return true
    this.#options.memory.add(costOf(piece))
    this.#take(piece)
    this.#wake()
    this.#isWaitingForRoom = this.#unread > maxUnreadBytes
    return !this.#isWaitingForRoom
  }

  /** The part is complete. */
  end(): void {
    this.#isEnded = true
    this.#wake()
  }

  /** Nothing more is sent of it. */
  discard(): void {
    if (this.#isDiscarded) return
    this.#isDiscarded = true
    this.#options.memory.release(this.cost)
    this.#pieces = []
    this.#unread = 0
    this.#wake()
    this.#drained()
  }

  /** From its beginning: only while it is replayable. */
  async *body(): AsyncGenerator<Buffer> {
    const { head, boundary } = this.#options
    this.#next = 0
    this.#unread = this.#pieces.reduce((sum, { length }) => sum + length, 0)
    yield Buffer.concat([Buffer.from(`--${boundary}`, 'latin1'), head])
    for (;;) {
      const piece = this.#pieces[this.#next - this.#from]
      if (piece) {
        this.#next += 1
        yield piece
        this.#unread -= piece.length
        this.#dropRead()
        this.#drained()
      } else if (this.#isDiscarded) throw new Error('The rest of the instance does not come')
      else if (this.#isEnded) break
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    this.#isSentWhole = true
    yield Buffer.from(`\r\n--${boundary}--`, 'latin1')
  }

  #take(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#bytes += piece.length
    this.#unread += piece.length
    if (this.#bytes > this.#options.maxKeptBytes) this.#isKept = false
    this.#dropRead()
  }

  #dropRead(): void {
    if (this.#isKept) return
    const read = this.#pieces.splice(0, this.#next - this.#from)
    this.#from += read.length
    if (read.length > 0) this.#options.memory.release(read.reduce((sum, piece) => sum + costOf(piece), 0))
  }

  #drained(): void {
    if (!this.#isWaitingForRoom || this.#unread > maxUnreadBytes) return
    this.#isWaitingForRoom = false
    this.#options.onDrain()
  }
}
