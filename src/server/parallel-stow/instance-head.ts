import { constants, inflateRawSync } from 'node:zlib'

/** What names an instance; empty texts for what was not found. This is a patient's data. */
export interface InstanceUids {
  readonly sopClass: string
  readonly sopInstance: string
  readonly study: string
  readonly series: string
}

/** Bytes that are looked at. */
const maxHeadBytes = 1024 * 1024
/** The UIDs of most instances are in the first 2 KiB: more is copied together only for the others. */
const usualHeadBytes = 16 * 1024

const metaStart = 132
const metaGroup = 0x0002
/** Tags as one number: group, then element. */
const tags = {
  mediaStorageSopClass: 0x00020002,
  mediaStorageSopInstance: 0x00020003,
  transferSyntax: 0x00020010,
  sopClass: 0x00080016,
  sopInstance: 0x00080018,
  study: 0x0020000d,
  series: 0x0020000e,
} as const
const implicitLittleEndian = '1.2.840.10008.1.2'
const explicitBigEndian = '1.2.840.10008.1.2.2'
/** The data set is compressed as a whole: of the images, and of JPIP's references. */
const deflated: ReadonlySet<string> = new Set([
  '1.2.840.10008.1.2.1.99',
  '1.2.840.10008.1.2.4.95',
  '1.2.840.10008.1.2.4.205',
])

/**
 * Reads the UIDs from the head of a DICOM file (PS3.10 7.1). Of what is none, or has them beyond
 * the first MiB, it finds fewer or none. Never throws.
 *
 * @param content the file, or the beginning of it, in pieces
 */
export function uidsOf(content: readonly Buffer[]): InstanceUids {
  const beginning = beginningOf(content, usualHeadBytes)
  const uids = uidsIn(beginning)
  const isComplete = beginning.length < usualHeadBytes || Object.values(uids).every((uid) => uid !== '')
  return isComplete ? uids : uidsIn(beginningOf(content, maxHeadBytes))
}

function uidsIn(file: Buffer): InstanceUids {
  const found = new Map<number, string>()
  const start = readMeta(file, found)
  const syntax = start === 0 ? implicitLittleEndian : (found.get(tags.transferSyntax) ?? '')
  const encoding = { isExplicit: syntax !== implicitLittleEndian, isBigEndian: syntax === explicitBigEndian }
  const dataSet = deflated.has(syntax) ? inflated(file.subarray(start)) : file.subarray(start)
  new ElementReader(dataSet, encoding).read(0, (tag) => tag <= tags.series, found)
  return {
    sopClass: found.get(tags.sopClass) ?? found.get(tags.mediaStorageSopClass) ?? '',
    sopInstance: found.get(tags.sopInstance) ?? found.get(tags.mediaStorageSopInstance) ?? '',
    study: found.get(tags.study) ?? '',
    series: found.get(tags.series) ?? '',
  }
}

/**
 * Where a file's data set begins; null if it has no file meta information, or that goes on beyond
 * these bytes.
 */
export function dataSetStart(content: readonly Buffer[]): number | null {
  const file = beginningOf(content, maxHeadBytes)
  const start = readMeta(file, new Map())
  const isComplete = start > 0 && start + 8 <= file.length && file.readUInt16LE(start) !== metaGroup
  return isComplete ? start : null
}

/**
 * Returns where the data set begins: 0 in a file that has nothing before it, as older programs
 * write them.
 */
function readMeta(file: Buffer, found: Map<number, string>): number {
  if (file.toString('latin1', metaStart - 4, metaStart) !== 'DICM') return 0
  const meta = new ElementReader(file, { isExplicit: true, isBigEndian: false })
  return meta.read(metaStart, (tag) => tag >>> 16 === metaGroup, found)
}

function beginningOf(content: readonly Buffer[], maxBytes: number): Buffer {
  const pieces: Buffer[] = []
  let bytes = 0
  for (const piece of content) {
    pieces.push(piece.subarray(0, maxBytes - bytes))
    bytes += piece.length
    if (bytes >= maxBytes) break
  }
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)
}

/** Bytes of a deflated data set that are inflated, more and more until the UIDs may be there. */
const inflateSteps = [4 * 1024, 64 * 1024, maxHeadBytes]

/** The beginning of a deflated data set. One that grows too much is inflated less far. */
function inflated(bytes: Buffer): Buffer {
  let longest: Buffer = Buffer.alloc(0)
  for (const step of inflateSteps) {
    try {
      longest = inflateRawSync(bytes.subarray(0, step), {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: 4 * maxHeadBytes,
      })
    } catch {
      break
    }
    if (bytes.length <= step || longest.length >= maxHeadBytes) break
  }
  return longest
}

interface Encoding {
  readonly isExplicit: boolean
  readonly isBigEndian: boolean
}

interface Element {
  readonly tag: number
  /** Empty where the encoding has none. */
  readonly vr: string
  /** Where its value begins. */
  readonly at: number
  readonly length: number
}

const undefinedLength = 0xffffffff
const item = 0xfffee000
const itemEnd = 0xfffee00d
const sequenceEnd = 0xfffee0dd
/** VRs with a length of 32 bits (PS3.5 7.1.2). */
const longVrs: ReadonlySet<string> = new Set([
  'OB',
  'OD',
  'OF',
  'OL',
  'OV',
  'OW',
  'SQ',
  'SV',
  'UC',
  'UN',
  'UR',
  'UT',
  'UV',
])
const wanted: ReadonlySet<number> = new Set(Object.values(tags))
const maxUidLength = 64
/** Far deeper than any DICOM data set. */
const maxDepth = 64

/** Reads elements (PS3.5 7.1) as far as the bytes go. */
class ElementReader {
  readonly #bytes: Buffer
  readonly #encoding: Encoding

  constructor(bytes: Buffer, encoding: Encoding) {
    this.#bytes = bytes
    this.#encoding = encoding
  }

  /** Returns where it stopped: at the first element that is not wanted, or where the bytes end. */
  read(from: number, isWanted: (tag: number) => boolean, found: Map<number, string>): number {
    let at = from
    for (;;) {
      const element = this.#element(at)
      if (!element || !isWanted(element.tag)) return at
      const next = this.#after(element, 0)
      if (next === null) return at
      if (wanted.has(element.tag)) found.set(element.tag, this.#uid(element))
      at = next
    }
  }

  #uid({ at, length }: Element): string {
    if (length > maxUidLength) return ''
    return this.#bytes.toString('latin1', at, at + length).replaceAll(/[\0 ]/g, '')
  }

  #element(at: number): Element | null {
    const { isExplicit, isBigEndian } = this.#encoding
    const bytes = this.#bytes
    if (at + 8 > bytes.length) return null
    const tag = (this.#uint16(at) * 0x10000 + this.#uint16(at + 2)) >>> 0
    // Items and their ends have no VR.
    if (!isExplicit || tag >>> 16 === 0xfffe) return { tag, vr: '', at: at + 8, length: this.#uint32(at + 4) }
    const vr = bytes.toString('latin1', at + 4, at + 6)
    if (!longVrs.has(vr)) return { tag, vr, at: at + 8, length: this.#uint16(at + 6) }
    if (at + 12 > bytes.length) return null
    const length = isBigEndian ? bytes.readUInt32BE(at + 8) : bytes.readUInt32LE(at + 8)
    return { tag, vr, at: at + 12, length }
  }

  /** Where the next element begins; null if the bytes end before. */
  #after({ vr, at, length }: Element, depth: number): number | null {
    if (length !== undefinedLength) return at + length <= this.#bytes.length ? at + length : null
    if (depth === maxDepth) return null
    // An unknown one is encoded as implicit little endian (PS3.5 6.2.2).
    const reader = vr === 'UN' ? new ElementReader(this.#bytes, { isExplicit: false, isBigEndian: false }) : this
    return reader.#afterSequence(at, depth + 1)
  }

  /** The same for a sequence, or an item, without a length: it ends with a delimiter. */
  #afterSequence(from: number, depth: number): number | null {
    let at: number | null = from
    while (at !== null) {
      const element: Element | null = this.#element(at)
      if (!element) return null
      if (element.tag === sequenceEnd || element.tag === itemEnd) return element.at
      at =
        element.tag === item && element.length === undefinedLength && depth < maxDepth
          ? this.#afterSequence(element.at, depth + 1)
          : this.#after(element, depth)
    }
    return null
  }

  #uint16(at: number): number {
    return this.#encoding.isBigEndian ? this.#bytes.readUInt16BE(at) : this.#bytes.readUInt16LE(at)
  }

  #uint32(at: number): number {
    return this.#encoding.isBigEndian ? this.#bytes.readUInt32BE(at) : this.#bytes.readUInt32LE(at)
  }
}
