import type { Sendable } from './batch-attempts.ts'
import type { Part, Range } from './part.ts'

/**
 * Some parts of an upload, as a body of their own: with the upload's boundary and their own heads,
 * byte for byte, so that Google reads them as it would have read them in the whole.
 */
export class Batch implements Sendable {
  /** What is held whole is sent to its end. */
  readonly signal: AbortSignal = new AbortController().signal
  readonly parts: readonly Part[]
  readonly boundary: string
  readonly #end: Buffer

  constructor(parts: readonly Part[], boundary: string) {
    this.parts = parts
    this.boundary = boundary
    const end = closingDelimiter(boundary)
    this.#end = parts.length > 0 ? end : end.subarray(lineEndBytes)
  }

  rewind(): boolean {
    return true
  }

  mayWaitInSocket(): void {
    for (const part of this.parts) part.mayWaitInSocket()
  }

  /** A batch of some of its parts. */
  only(isWanted: (part: Part) => boolean): Batch {
    return new Batch(this.parts.filter(isWanted), this.boundary)
  }

  get instances(): number {
    return this.parts.length
  }

  get length(): number {
    const ofParts = this.parts.reduce((sum, { totalLength }) => sum + totalLength, 0)
    return ofParts + this.#end.length - (this.parts.length > 0 ? lineEndBytes : 0)
  }

  *body(): Generator<Buffer> {
    let skip = lineEndBytes
    for (const { slab, from, to } of this.#joinedRanges()) {
      const begin = Math.min(from + skip, to)
      skip -= begin - from
      yield slab.bytes.subarray(begin, to)
    }
    yield this.#end
  }

  /** Parts that stand side by side in memory go in one piece. */
  #joinedRanges(): Range[] {
    const joined: Range[] = []
    let last: Range | undefined
    for (const { ranges } of this.parts) {
      for (const { slab, from, to } of ranges) {
        if (last?.slab === slab && last.to === from) last.to = to
        else {
          last = { slab, from, to }
          joined.push(last)
        }
      }
    }
    return joined
  }
}

/** A body needs no line end before its first boundary. */
export const lineEndBytes = 2

export function closingDelimiter(boundary: string): Buffer {
  return Buffer.from(`\r\n--${boundary}--`, 'latin1')
}
