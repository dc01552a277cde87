import { type BatchMemory, type Slab, slabBytes } from './batch-memory.ts'
import { type InstanceUids, uidsOf } from './instance-head.ts'

/** About what a part costs beside its bytes, as objects. */
const partOverheadBytes = 512

/**
 * A part of a multipart body in memory: its boundary, its head and its content, byte for byte, one
 * after the other.
 */
export class Part {
  readonly #memory: BatchMemory
  /** All of its bytes, as ranges of the slabs. */
  readonly #ranges: Range[] = []
  /** Of the content. */
  length = 0
  /** Of boundary and head. */
  #headLength = 0
  #uids: InstanceUids | null = null

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

  /** Of one that is complete, and not released. */
  get uids(): InstanceUids {
    this.#uids ??= uidsOf(this.content)
    return this.#uids
  }

  writeHead(writer: SlabWriter, bytes: Buffer): void {
    writer.write(bytes, this)
    this.#headLength += bytes.length
  }

  write(writer: SlabWriter, bytes: Buffer): void {
    writer.write(bytes, this)
    this.length += bytes.length
  }

  /** Gives back its content, as if that had not come. */
  takeContent(): Buffer {
    const content = Buffer.concat(this.content)
    let left = this.#headLength
    for (const range of this.#ranges.splice(0)) {
      range.to = Math.min(range.to, range.from + left)
      left -= range.to - range.from
      if (range.from < range.to) this.#ranges.push(range)
      else this.#memory.leaveSlab(range.slab)
    }
    this.length = 0
    return content
  }

  /** It was sent, but perhaps not read to its end: its memory is not used again. */
  mayWaitInSocket(): void {
    for (const { slab } of this.#ranges) slab.mayWaitInSocket = true
  }

  /** Its bytes are not needed any more. */
  release(): void {
    for (const { slab } of this.#ranges.splice(0)) this.#memory.leaveSlab(slab)
    this.#memory.release(partOverheadBytes)
  }

  /** These are its next bytes. */
  add(slab: Slab, from: number, to: number): void {
    const last = this.#ranges.at(-1)
    if (last?.slab === slab && last.to === from) {
      last.to = to
      return
    }
    slab.uses += 1
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

  /** Adds them to a part. */
  write(bytes: Buffer, part: Part): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#slab === null || this.#slab.used === slabBytes) {
        this.close()
        this.#slab = this.#memory.takeSlab()
      }
      const slab: Slab = this.#slab
      const length = bytes.copy(slab.bytes, slab.used, at)
      part.add(slab, slab.used, slab.used + length)
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
