/** A marker segment (ITU-T T.81, B.1.1.4). */
export function segment(marker: number, content: readonly number[]): Buffer {
  const length = content.length + 2
  return Buffer.from([0xff, marker, length >> 8, length & 0xff, ...content])
}

/** How many Huffman codes each length has (B.2.4.2), when all have the same one. */
export function codeCounts(bits: number, count: number): number[] {
  return Array.from({ length: 16 }, (_, index) => (index + 1 === bits ? count : 0))
}

/** Bits that a difference or coefficient takes (F.1.2.1.1). */
export function sizeOf(value: number): number {
  return 32 - Math.clz32(Math.abs(value))
}

/** A negative value is its ones' complement (F.1.2.1.1). */
export function magnitude(value: number): number {
  return value < 0 ? value + (1 << sizeOf(value)) - 1 : value
}

/** Entropy-coded data of a scan, with a zero after each 0xff (F.1.2.3). */
export class JpegBits {
  readonly #bytes: number[] = []
  #held = 0
  #count = 0

  write(value: number, length: number): void {
    this.#held = (this.#held << length) | value
    this.#count += length
    while (this.#count >= 8) {
      this.#count -= 8
      this.#byte((this.#held >>> this.#count) & 0xff)
    }
    this.#held &= (1 << this.#count) - 1
  }

  /** Filled up with ones (F.1.2.3). */
  end(): Buffer {
    if (this.#count > 0) this.write((1 << (8 - this.#count)) - 1, 8 - this.#count)
    return Buffer.from(this.#bytes)
  }

  #byte(byte: number): void {
    this.#bytes.push(byte)
    if (byte === 0xff) this.#bytes.push(0)
  }
}
