import { isBulk } from './bulk-data.ts'
import type { ByteSource } from './byte-source.ts'
import type { DataSet, Element, Value } from './dicom-json.ts'
import { type Tag, vrOf } from './dictionary.ts'
import { binaryVrs, decoderFor, decodeValue, littleEndianBytes } from './element-value.ts'

/** The emulator's own limit: what is longer is bulk data, too. */
const maxInlineTextBytes = 1024 * 1024
/** A longer sequence is in no metadata (conformance statement, "Bulkdata definition"). */
const maxSequenceBytes = 1024 * 1024
const undefinedLength = 0xffffffff
const nesting = 32

/** With a 32-bit length after two reserved bytes, in Explicit VR (PS3.5, 7.1.2). */
const longVrs = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'])

interface Header {
  readonly tag: Tag
  readonly vr: string
  readonly length: number
  readonly valueAt: number
}

/** Not DICOM, or broken. */
export class DataSetError extends Error {
  override readonly name = 'DataSetError'
}

/** How data elements are encoded (PS3.5, annex A): all syntaxes but Implicit VR have the VR. */
export interface Encoding {
  readonly explicit: boolean
  readonly littleEndian: boolean
}

const implicitLittleEndian: Encoding = { explicit: false, littleEndian: true }

/**
 * Reads data elements into the DICOM JSON Model; bulk values are left where they are, so that a
 * file of any size is read in little memory. That is why this is no library: dcmjs and dicom-parser
 * want the whole file, and dicom-parser takes a file that was cut short, and not OV, SV and UV.
 */
export class DataSetReader {
  readonly #source: ByteSource
  readonly #encoding: Encoding
  #charset = decoderFor([])

  constructor(source: ByteSource, encoding: Encoding) {
    this.#source = source
    this.#encoding = encoding
  }

  /**
   * Elements from `at` up to `end`, or up to the first that `until` refuses. Returns where it
   * stopped.
   */
  read(at: number, end: number, into: DataSet, until: (tag: Tag) => boolean = () => false, depth = 0): number {
    while (at < end) {
      if (until(this.#tag(at))) return at
      const header = this.#header(at, this.#encoding.explicit)
      if (header.tag === 'FFFEE00D') return header.valueAt
      at = this.#element(header, end, into, depth)
    }
    return at
  }

  #tag(at: number): Tag {
    const bytes = this.#source.read(at, 4)
    if (bytes.length < 4) throw new DataSetError('The data set ends inside an element.')
    return (hex(this.#uint16(bytes, 0)) + hex(this.#uint16(bytes, 2))).toUpperCase()
  }

  #header(at: number, explicit: boolean): Header {
    const tag = this.#tag(at)
    const bytes = this.#source.read(at, 12)
    if (bytes.length < 8) throw new DataSetError('The data set ends inside an element.')
    // Items and delimiters have no VR in any syntax (PS3.5, 7.5).
    if (tag.startsWith('FFFE')) return { tag, vr: '', length: this.#uint32(bytes, 4), valueAt: at + 8 }
    if (!explicit) return { tag, vr: vrOf(tag), length: this.#uint32(bytes, 4), valueAt: at + 8 }
    const vr = bytes.toString('latin1', 4, 6)
    if (!/^[A-Z]{2}$/.test(vr)) throw new DataSetError(`Element ${tag} has no VR.`)
    if (!longVrs.has(vr)) return { tag, vr, length: this.#uint16(bytes, 6), valueAt: at + 8 }
    if (bytes.length < 12) throw new DataSetError('The data set ends inside an element.')
    return { tag, vr, length: this.#uint32(bytes, 8), valueAt: at + 12 }
  }

  #uint16(bytes: Buffer, at: number): number {
    return this.#encoding.littleEndian ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)
  }

  #uint32(bytes: Buffer, at: number): number {
    return this.#encoding.littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
  }

  #element(header: Header, end: number, into: DataSet, depth: number): number {
    const { tag, length, valueAt } = header
    if (depth > nesting) throw new DataSetError('Sequences are nested too deeply.')
    if (length === undefinedLength && tag === '7FE00010') return this.#encapsulated(header, into)
    if (header.vr === 'UN' && this.#encoding.explicit) return this.#unknown(header, end, into, depth)
    if (header.vr === 'SQ' || length === undefinedLength) return this.#sequence(header, end, into, depth)
    if (valueAt + length > end) throw new DataSetError(`The value of element ${tag} is cut short.`)
    into[tag] = this.#value(header)
    if (tag === '00080005') this.#charset = decoderFor(into[tag].Value ?? [])
    return valueAt + length
  }

  /**
   * A VR that the sender did not know: encoded as in Implicit VR (PS3.5, 6.2.2), also of what the
   * dictionary does know.
   */
  #unknown(header: Header, end: number, into: DataSet, depth: number): number {
    const reader = new DataSetReader(this.#source, implicitLittleEndian)
    reader.#charset = this.#charset
    return reader.#element({ ...header, vr: vrOf(header.tag) }, end, into, depth)
  }

  #value({ tag, vr, length, valueAt }: Header): Element {
    if (length === 0) return { vr }
    if (isBulk(tag, vr, length) || (!binaryVrs.has(vr) && length > maxInlineTextBytes)) {
      return { vr, bulk: { offset: valueAt, length, encapsulated: false } }
    }
    const bytes = littleEndianBytes(vr, this.#source.read(valueAt, length), this.#encoding.littleEndian)
    if (binaryVrs.has(vr)) return { vr, InlineBinary: bytes.toString('base64') }
    const values = decodeValue(vr, bytes, this.#charset)
    return values.length === 0 ? { vr } : { vr, Value: values }
  }

  #sequence({ tag, length, valueAt }: Header, end: number, into: DataSet, depth: number): number {
    const sequenceEnd = length === undefinedLength ? end : valueAt + length
    if (sequenceEnd > end) throw new DataSetError(`Sequence ${tag} is cut short.`)
    const items: Value[] = []
    let at = valueAt
    while (at < sequenceEnd) {
      const item = this.#header(at, false)
      at = item.valueAt
      if (item.tag === 'FFFEE0DD') break
      if (item.tag !== 'FFFEE000') throw new DataSetError(`Sequence ${tag} holds something else than items.`)
      const content: DataSet = {}
      at = this.read(
        at,
        item.length === undefinedLength ? sequenceEnd : at + item.length,
        content,
        undefined,
        depth + 1,
      )
      items.push(content)
    }
    if (at - valueAt <= maxSequenceBytes) into[tag] = items.length === 0 ? { vr: 'SQ' } : { vr: 'SQ', Value: items }
    return at
  }

  /** Fragments, the Basic Offset Table first (PS3.5, A.4): only their ends are looked at. */
  #encapsulated({ tag, vr, valueAt }: Header, into: DataSet): number {
    let at = valueAt
    for (;;) {
      const item = this.#header(at, false)
      if (item.tag === 'FFFEE0DD') break
      if (item.tag !== 'FFFEE000' || item.valueAt + item.length > this.#source.size) {
        throw new DataSetError('Encapsulated pixel data are cut short.')
      }
      at = item.valueAt + item.length
    }
    into[tag] = { vr, bulk: { offset: valueAt, length: at - valueAt, encapsulated: true } }
    return at + 8
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0')
}
