import { createHash } from 'node:crypto'
import { dataSetStart } from './instance-head.ts'

/** File meta information has some hundred bytes; private ones may have more. */
const maxMetaBytes = 64 * 1024

/**
 * Whether two DICOM files have the same data set, byte for byte. Their file meta information (group
 * 0002) may differ: Google writes its own.
 *
 * @param one held in memory, in pieces
 * @param other as it arrives; it is read no further than it is the same
 */
export async function isSameDataSet(one: readonly Buffer[], other: AsyncIterable<Buffer>): Promise<boolean> {
  const start = dataSetStart(one)
  if (start === null) return false
  const expected = new Pieces(one, start)
  let beginning: Buffer | null = Buffer.alloc(0)
  for await (const chunk of other) {
    if (beginning === null) {
      if (!expected.take(chunk)) return false
      continue
    }
    beginning = Buffer.concat([beginning, chunk])
    const from = dataSetStart([beginning])
    if (from === null) {
      if (beginning.length > maxMetaBytes) return false
      continue
    }
    if (!expected.take(beginning.subarray(from))) return false
    beginning = null
  }
  return beginning === null && expected.isAtEnd
}

/**
 * A digest of the data set of a DICOM file that arrives in pieces, for files that are too large to be
 * held.
 */
export class DataSetHash {
  readonly #hash = createHash('sha256')
  /** Null once the data set has begun. */
  #beginning: Buffer[] | null = []
  #isReadable = true

  push(piece: Buffer): void {
    if (!this.#isReadable) return
    if (this.#beginning === null) {
      this.#hash.update(piece)
      return
    }
    // A copy: the piece's own memory is used again.
    this.#beginning.push(Buffer.from(piece))
    const from = dataSetStart(this.#beginning)
    const bytes = Buffer.concat(this.#beginning)
    if (from !== null) {
      this.#hash.update(bytes.subarray(from))
      this.#beginning = null
    } else if (bytes.length > maxMetaBytes) {
      this.#isReadable = false
      this.#beginning = []
    }
  }

  /** At its end, once; null if it is no DICOM file. */
  digest(): string | null {
    return this.#beginning === null ? this.#hash.digest('hex') : null
  }
}

/** Bytes in pieces, which are compared from the beginning on. */
class Pieces {
  readonly #pieces: readonly Buffer[]
  #piece = 0
  #at: number

  constructor(pieces: readonly Buffer[], from: number) {
    this.#pieces = pieces
    this.#at = from
    this.#skipRead()
  }

  get isAtEnd(): boolean {
    return this.#piece === this.#pieces.length
  }

  /** Whether these are the next bytes. */
  take(bytes: Buffer): boolean {
    let from = 0
    while (from < bytes.length) {
      const piece = this.#pieces[this.#piece]
      if (!piece) return false
      const length = Math.min(piece.length - this.#at, bytes.length - from)
      if (piece.compare(bytes, from, from + length, this.#at, this.#at + length) !== 0) return false
      from += length
      this.#at += length
      this.#skipRead()
    }
    return true
  }

  #skipRead(): void {
    for (let piece = this.#pieces[this.#piece]; piece && this.#at >= piece.length; piece = this.#pieces[this.#piece]) {
      this.#at -= piece.length
      this.#piece += 1
    }
  }
}
