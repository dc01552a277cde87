import type { ByteSource } from './byte-source.ts'
import type { DataSet, Element, Value } from './dicom-json.ts'
import { type Tag, vrOf } from './dictionary.ts'
import { binaryVrs, decoderFor, decodeValue } from './element-value.ts'

/** A binary value longer than this is bulk data. */
const inlineBinary = 1024
/** So is text longer than this. */
const inlineText = 64 * 1024
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

/**
 * Reads data elements in Little Endian into the DICOM JSON Model; bulk values are left where they
 * are.
 */
export class DataSetReader {
  readonly #source: ByteSource
  readonly #explicit: boolean
  #charset = decoderFor([])

  constructor(source: ByteSource, explicit: boolean) {
    this.#source = source
    this.#explicit = explicit
  }

  /**
   * Elements from `at` up to `end`, or up to the first that `until` refuses. Returns where it
   * stopped.
   */
  read(at: number, end: number, into: DataSet, until: (tag: Tag) => boolean = () => false, depth = 0): number {
    while (at < end) {
      const header = this.#header(at, this.#explicit)
      if (header.tag === 'FFFEE00D') return header.valueAt
      if (until(header.tag)) return at
      at = this.#element(header, end, into, depth)
    }
    return at
  }

  #header(at: number, explicit: boolean): Header {
    const bytes = this.#source.read(at, 12)
    if (bytes.length < 8) throw new DataSetError('The data set ends inside an element.')
    const tag = (hex(bytes.readUInt16LE(0)) + hex(bytes.readUInt16LE(2))).toUpperCase()
    // Items and delimiters have no VR in either syntax (PS3.5, 7.5).
    if (tag.startsWith('FFFE')) return { tag, vr: '', length: bytes.readUInt32LE(4), valueAt: at + 8 }
    if (!explicit) return { tag, vr: vrOf(tag), length: bytes.readUInt32LE(4), valueAt: at + 8 }
    const vr = bytes.toString('latin1', 4, 6)
    if (!/^[A-Z]{2}$/.test(vr)) throw new DataSetError(`Element ${tag} has no VR.`)
    if (!longVrs.has(vr)) return { tag, vr, length: bytes.readUInt16LE(6), valueAt: at + 8 }
    if (bytes.length < 12) throw new DataSetError('The data set ends inside an element.')
    return { tag, vr, length: bytes.readUInt32LE(8), valueAt: at + 12 }
  }

  #element(header: Header, end: number, into: DataSet, depth: number): number {
    const { tag, vr, length, valueAt } = header
    if (depth > nesting) throw new DataSetError('Sequences are nested too deeply.')
    if (length === undefinedLength && tag === '7FE00010') return this.#encapsulated(header, into)
    if (vr === 'SQ' || length === undefinedLength) return this.#sequence(header, end, into, depth)
    if (valueAt + length > end) throw new DataSetError(`The value of element ${tag} is cut short.`)
    into[tag] = this.#value(header)
    if (tag === '00080005') this.#charset = decoderFor(into[tag].Value ?? [])
    return valueAt + length
  }

  #value({ tag, vr, length, valueAt }: Header): Element {
    if (length === 0) return { vr }
    const bulk = { offset: valueAt, length, encapsulated: false }
    const binary = binaryVrs.has(vr)
    if (tag === '7FE00010' || length > (binary ? inlineBinary : inlineText)) return { vr, bulk }
    const bytes = this.#source.read(valueAt, length)
    if (binary) return { vr, InlineBinary: bytes.toString('base64') }
    const values = decodeValue(vr, bytes, this.#charset)
    return values.length === 0 ? { vr } : { vr, Value: values }
  }

  #sequence({ vr, tag, length, valueAt }: Header, end: number, into: DataSet, depth: number): number {
    // A UN of undefined length is a sequence in Implicit VR, in any context (PS3.5, 6.2.2
    // note 2).
    const reader = vr === 'UN' && this.#explicit ? new DataSetReader(this.#source, false) : this
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
      at = reader.read(
        at,
        item.length === undefinedLength ? sequenceEnd : at + item.length,
        content,
        undefined,
        depth + 1,
      )
      items.push(content)
    }
    into[tag] = items.length === 0 ? { vr: 'SQ' } : { vr: 'SQ', Value: items }
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
