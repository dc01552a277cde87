/** A body that is not what a search returns. */
export class NotRows extends Error {
  constructor() {
    super('The body is not an array of objects')
    this.name = 'NotRows'
  }
}

/** Bytes of one row: those of Google's searches have a few KiB. */
const maxRowBytes = 4 * 1024 * 1024

const quote = 0x22
const backslash = 0x5c
const blanks: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])

/**
 * Splits the body of a search, an array of objects, into its rows, byte for byte: a row that is
 * passed on keeps the numbers that JavaScript can't represent. Holds no more than one row.
 */
export class JsonRows {
  readonly #onRow: (row: Buffer) => void
  /** What came of the current row before this chunk. */
  #begun: Buffer[] = []
  #begunBytes = 0
  /** Of brackets and braces: 0 is outside of the array, 1 between its rows. */
  #depth = 0
  #inString = false
  #isEscaped = false
  #needsComma = false
  #afterComma = false
  #isOver = false

  /** @param onRow its bytes are only valid during the call */
  constructor(onRow: (row: Buffer) => void) {
    this.#onRow = onRow
  }

  /** Throws {@link NotRows}. */
  push(chunk: Buffer): void {
    let start = this.#depth > 1 ? 0 : -1
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false
        else if (byte === backslash) this.#isEscaped = true
        else if (byte === quote) this.#inString = false
      } else if (this.#depth > 1) {
        if (byte === quote) this.#inString = true
        else if (byte === 0x7b || byte === 0x5b) this.#depth += 1
        else if ((byte === 0x7d || byte === 0x5d) && --this.#depth === 1) {
          this.#emit(chunk.subarray(start, at + 1))
          start = -1
        }
      } else if (!blanks.has(byte)) {
        this.#between(byte)
        if (this.#depth > 1) start = at
      }
    }
    if (start < 0) return
    const rest = Buffer.from(chunk.subarray(start))
    this.#begunBytes += rest.length
    if (this.#begunBytes > maxRowBytes) throw new NotRows()
    this.#begun.push(rest)
  }

  /** Throws {@link NotRows} unless the body was whole. */
  end(): void {
    if (!this.#isOver) throw new NotRows()
  }

  #between(byte: number): void {
    if (this.#isOver) throw new NotRows()
    if (this.#depth === 0) {
      if (byte !== 0x5b) throw new NotRows()
      this.#depth = 1
    } else if (byte === 0x2c && this.#needsComma) {
      this.#needsComma = false
      this.#afterComma = true
    } else if (byte === 0x7b && !this.#needsComma) {
      this.#depth = 2
    } else if (byte === 0x5d && !this.#afterComma) {
      this.#depth = 0
      this.#isOver = true
    } else {
      throw new NotRows()
    }
  }

  #emit(last: Buffer): void {
    const row = this.#begun.length === 0 ? last : Buffer.concat([...this.#begun, last])
    this.#begun = []
    this.#begunBytes = 0
    this.#needsComma = true
    this.#afterComma = false
    this.#onRow(row)
  }
}
