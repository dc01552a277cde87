import { type BatchMemory, type Slab, slabBytes } from './batch-memory.ts'

/** About what a part costs beside its bytes, as objects. */
const partOverheadBytes = 512

/**
 * A part of a multipart body in memory: its boundary, its head and its content, byte for byte, one
 * after the other.
 */
export class Part {
  readonly #memory: BatchMemory
  readonly #slabs: Slab[] = []
  /** All of its bytes, as ranges of the slabs. */
  readonly #ranges: Range[] = []
  /** Of the content. */
  length = 0
  /** Of boundary and head. */
  #headLength = 0

  constructor(memory: BatchMemory) {
    this.#memory = memory
    memory.add(partOverheadBytes)
  }

  /** Bytes in all. */
  get totalLength(): number {
    return this.#headLength + this.length
  }

  get ranges(): readonly Range[] {
    return this.#ranges
  }

  /** In pieces. */
  get content(): Buffer[] {
    let skip = this.#headLength
    return this.#ranges.flatMap(({ slab, from, to }) => {
      const begin = Math.min(from + skip, to)
      skip -= begin - from
      return begin < to ? slab.bytes.subarray(begin, to) : []
    })
  }

  writeHead(writer: SlabWriter, bytes: Buffer): void {
    writer.write(bytes, this.#add)
    this.#headLength += bytes.length
  }

  write(writer: SlabWriter, bytes: Buffer): void {
    writer.write(bytes, this.#add)
    this.length += bytes.length
  }

  /** Its bytes are not needed any more. */
  release(): void {
    for (const slab of this.#slabs.splice(0)) this.#memory.leaveSlab(slab)
    this.#ranges.length = 0
    this.#memory.release(partOverheadBytes)
  }

  readonly #add = (slab: Slab, from: number, to: number) => {
    const last = this.#ranges.at(-1)
    if (last?.slab === slab) {
      last.to = to
      return
    }
    slab.uses += 1
    this.#slabs.push(slab)
    this.#ranges.push({ slab, from, to })
  }
}

export interface Range {
  readonly slab: Slab
  readonly from: number
  to: number
}

/** Copies bytes into slabs, one after the other. */
export class SlabWriter {
  readonly #memory: BatchMemory
  #slab: Slab | null = null

  constructor(memory: BatchMemory) {
    this.#memory = memory
  }

  /** @param onWritten told where they are now */
  write(bytes: Buffer, onWritten: (slab: Slab, from: number, to: number) => void): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#slab === null || this.#slab.used === slabBytes) {
        this.close()
        this.#slab = this.#memory.takeSlab()
      }
      const slab: Slab = this.#slab
      const length = bytes.copy(slab.bytes, slab.used, at)
      onWritten(slab, slab.used, slab.used + length)
      slab.used += length
      at += length
    }
  }

  /** Nothing more is written for now. */
  close(): void {
    if (this.#slab) this.#memory.leaveSlab(this.#slab)
    this.#slab = null
  }
}
