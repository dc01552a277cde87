import type { Sendable } from './batch-attempts.ts'

/** A part of a multipart body, held whole. */
export interface Part {
  /** From its boundary to its content; the boundary is not in it. */
  readonly head: Buffer
  readonly content: readonly Buffer[]
  /** Of the content. */
  readonly length: number
  /** What it takes of the memory. */
  readonly cost: number
}

/** Pieces of less are joined to one: each costs a system call. */
const smallBytes = 16 * 1024
const maxJoinedBytes = 64 * 1024

/**
 * Some parts of an upload, as a body of their own: with the upload's boundary and their own heads,
 * byte for byte, so that Google reads them as it would have read them in the whole.
 */
export class Batch implements Sendable {
  /** What is held whole is sent to its end. */
  readonly signal = new AbortController().signal
  readonly parts: readonly Part[]
  readonly boundary: string
  readonly #delimiter: Buffer
  readonly #end: Buffer

  constructor(parts: readonly Part[], boundary: string) {
    this.parts = parts
    this.boundary = boundary
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
    this.#end = Buffer.from(`\r\n--${boundary}--`, 'latin1')
  }

  /** A batch of some of its parts. */
  only(isWanted: (part: Part) => boolean): Batch {
    return new Batch(this.parts.filter(isWanted), this.boundary)
  }

  isReplayable(): boolean {
    return true
  }

  get cost(): number {
    return this.parts.reduce((sum, { cost }) => sum + cost, 0)
  }

  get length(): number {
    const ofParts = this.parts.reduce((sum, part) => sum + this.#delimiter.length + part.head.length + part.length, 0)
    return ofParts + this.#end.length - lineEndBytes
  }

  *body(): Generator<Buffer> {
    const joined: Buffer[] = []
    let bytes = 0
    for (const piece of this.#pieces()) {
      const isJoined = bytes + piece.length <= maxJoinedBytes && (piece.length < smallBytes || bytes < smallBytes)
      if (!isJoined && bytes > 0) {
        yield joined.length === 1 ? (joined[0] as Buffer) : Buffer.concat(joined)
        joined.length = 0
        bytes = 0
      }
      joined.push(piece)
      bytes += piece.length
    }
    yield Buffer.concat(joined)
  }

  *#pieces(): Generator<Buffer> {
    for (const [at, { head, content }] of this.parts.entries()) {
      yield at === 0 ? this.#delimiter.subarray(lineEndBytes) : this.#delimiter
      yield head
      yield* content
    }
    yield this.parts.length === 0 ? this.#end.subarray(lineEndBytes) : this.#end
  }
}

/** A body needs no line end before its first boundary. */
const lineEndBytes = 2
