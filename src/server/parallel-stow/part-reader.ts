import type { Part } from './batch.ts'
import type { BatchMemory } from './batch-memory.ts'
import { MultipartError, type PartVisitor } from './multipart-parser.ts'
import { costOf, minPieceCost, StreamedPart } from './streamed-part.ts'

interface PartReaderOptions {
  readonly boundary: string
  readonly memory: BatchMemory
  /** A larger part is not held whole. */
  readonly maxPartBytes: number
  readonly onPart: (part: Part) => void
  /** The part that arrives passes without being held. */
  readonly onStream: (part: StreamedPart) => void
  /** A streamed part wants no more for now, and then more. */
  readonly onFull: () => void
  readonly onDrain: () => void
}

/** Parts of one upload: three times as many as a large study has. */
const maxParts = 200_000
/** What is kept of a part that is not sent, for its UIDs. */
const maxHeadBytes = 64 * 1024
/** What is kept of a streamed part beyond `maxPartBytes`, so that an early refusal can be met. */
const extraKeptBytes = 1024 * 1024

/** Collects the parts of an upload as they arrive. */
export class PartReader implements PartVisitor {
  readonly #options: PartReaderOptions
  /** The part that arrives, if it is held. */
  #part: { readonly head: Buffer; readonly content: Buffer[]; length: number; cost: number } | null = null
  #streamed: StreamedPart | null = null
  #count = 0
  /** Nothing is sent any more: parts are read for their UIDs. */
  headsOnly = false

  constructor(options: PartReaderOptions) {
    this.#options = options
  }

  /** Whether a part arrives that could pass without being held. */
  get canStream(): boolean {
    return this.#part !== null && !this.headsOnly
  }

  get isStreaming(): boolean {
    return this.#streamed !== null
  }

  beginPart(head: Buffer): void {
    this.#count += 1
    if (this.#count > maxParts) throw new MultipartError(`The body has more than ${maxParts} parts.`)
    this.#part = { head, content: [], length: 0, cost: 0 }
    this.#charge(this.#part, costOf(head) + minPieceCost)
  }

  data(piece: Buffer): void {
    if (this.#streamed) {
      if (!this.#streamed.push(piece)) this.#options.onFull()
      return
    }
    const part = this.#part
    if (!part || (this.headsOnly && part.length >= maxHeadBytes)) return
    part.content.push(piece)
    part.length += piece.length
    this.#charge(part, costOf(piece))
    if (part.length > this.#options.maxPartBytes && !this.headsOnly) this.stream()
  }

  endPart(): void {
    this.#streamed?.end()
    this.#streamed = null
    const part = this.#part
    this.#part = null
    if (part) this.#options.onPart(part)
  }

  /** Has the part that arrives pass from here on. */
  stream(): void {
    const part = this.#part
    if (!part) return
    const { boundary, memory, maxPartBytes, onDrain, onStream } = this.#options
    const maxKeptBytes = maxPartBytes + extraKeptBytes
    this.#streamed = new StreamedPart({ head: part.head, boundary, memory, maxKeptBytes, onDrain }, part.content)
    memory.release(part.cost - this.#streamed.cost)
    this.#part = null
    onStream(this.#streamed)
  }

  /** The body goes no further. */
  discard(): void {
    this.#streamed?.discard()
    if (this.#part) this.#options.memory.release(this.#part.cost)
    this.#part = null
  }

  #charge(part: { cost: number }, cost: number): void {
    part.cost += cost
    this.#options.memory.add(cost)
  }
}
