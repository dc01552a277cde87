import type { BatchMemory } from './batch-memory.ts'
import { MultipartError, type PartVisitor, type SkipOptions } from './multipart-parser.ts'
import { Part, SlabWriter } from './part.ts'
import { StreamedPart } from './streamed-part.ts'

interface PartReaderOptions {
  readonly boundary: string
  readonly memory: BatchMemory
  /** A larger part is not held whole. */
  readonly maxPartBytes: number
  /** Whether the digests of larger parts are wanted. */
  readonly isHashed: boolean
  readonly onPart: (part: Part) => void
  /** The part that arrives passes without being held. */
  readonly onStream: (part: StreamedPart) => void
  /** A streamed part wants no more for now, and then more. */
  readonly onFull: () => void
  readonly onDrain: () => void
}

/** Parts of one upload: several times as many as a large study has. */
const maxParts = 200_000
/** What is kept of a part that is not sent, for its UIDs. */
const maxHeadBytes = 64 * 1024
/** What is kept of a streamed part beyond `maxPartBytes`, so that an early refusal can be met. */
const extraKeptBytes = 1024 * 1024

/** Collects the parts of an upload as they arrive. */
export class PartReader implements PartVisitor, SkipOptions {
  readonly #options: PartReaderOptions
  readonly #delimiter: Buffer
  readonly #writer: SlabWriter
  /** The part that arrives, if it is held. */
  #part: Part | null = null
  #streamed: StreamedPart | null = null
  #count = 0
  /** Nothing is sent any more: parts are read for their UIDs. */
  headsOnly = false

  constructor(options: PartReaderOptions) {
    this.#options = options
    this.#delimiter = Buffer.from(`\r\n--${options.boundary}`, 'latin1')
    this.#writer = new SlabWriter(options.memory)
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
    this.#part = new Part(this.#options.memory)
    this.#part.writeHead(this.#writer, this.#delimiter)
    this.#part.writeHead(this.#writer, head)
  }

  data(piece: Buffer): void {
    if (this.#streamed) {
      if (!this.#streamed.push(piece)) this.#options.onFull()
      return
    }
    const part = this.#part
    if (!part || (this.headsOnly && part.length >= maxHeadBytes)) return
    part.write(this.#writer, piece)
    if (part.length > this.#options.maxPartBytes && !this.headsOnly) this.stream()
  }

  endPart(): void {
    this.#streamed?.end()
    this.#streamed = null
    const part = this.#part
    this.#part = null
    if (part) this.#options.onPart(part)
  }

  /** What is held whole can be given back. */
  maySkip(bytes: number): boolean {
    return bytes <= this.#options.maxPartBytes
  }

  takeBack(): Buffer {
    return this.#part?.takeContent() ?? Buffer.alloc(0)
  }

  /** Has the part that arrives pass from here on. */
  stream(): void {
    const part = this.#part
    if (!part) return
    const { boundary, memory, maxPartBytes, isHashed, onDrain, onStream } = this.#options
    const maxKeptBytes = maxPartBytes + extraKeptBytes
    this.#writer.close()
    this.#streamed = new StreamedPart({ boundary, memory, maxKeptBytes, isHashed, onDrain }, part)
    this.#part = null
    onStream(this.#streamed)
  }

  /** The body has ended. */
  end(): void {
    this.#writer.close()
  }

  /** The body goes no further. */
  discard(): void {
    this.end()
    this.#streamed?.discard()
    this.#part?.release()
    this.#part = null
  }
}
