import { type ByteSource, withFile } from './byte-source.ts'
import { DataSetError, type Encoding } from './data-set-reader.ts'
import type { DataSet } from './dicom-json.ts'
import { type Tag, vrOf } from './dictionary.ts'
import { littleEndianBytes } from './element-value.ts'
import { framesOf } from './frames.ts'
import { nativeFrame, rle } from './native-frame.ts'
import { bigEndian, explicitLittleEndian, implicitLittleEndian, readFileMeta } from './part10.ts'

/** Syntaxes that are written again; deflated files come inflated. */
const known = new Set([implicitLittleEndian, explicitLittleEndian, '1.2.840.10008.1.2.1.99', bigEndian, rle])
/** It is held in memory as a whole. */
const maxBytes = 256 * 1024 * 1024
const undefinedLength = 0xffffffff
const longVrs = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'])

/** What is rewritten of an instance: its file, inflated, and what was read from it. */
export interface Rewritable {
  readonly plainFile: string
  readonly size: number
  readonly transferSyntax: string
  readonly dataSet: DataSet
}

/**
 * Whether {@link explicitFile} can rewrite an instance: other images would have to be decompressed.
 */
export function canBeExplicit({ transferSyntax, size }: Rewritable): boolean {
  return known.has(transferSyntax) && size <= maxBytes
}

/**
 * The instance in Explicit VR Little Endian with native pixel data: what Google gives where no
 * transfer syntax is asked for (conformance statement, "Retrieve transaction").
 */
export function explicitFile(instance: Rewritable): Buffer {
  return withFile(instance.plainFile, (source) => {
    const { dataSetAt } = readFileMeta(source)
    const meta = fileMeta(source, dataSetAt)
    const rewriter = new Rewriter(source, encodingOf(instance.transferSyntax), () => nativePixels(instance))
    rewriter.elements(dataSetAt, source.size)
    const length = element('00020000', 'UL', uint32(meta.length))
    return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), length, meta, ...rewriter.chunks])
  })
}

function encodingOf(transferSyntax: string): Encoding {
  return { explicit: transferSyntax !== implicitLittleEndian, littleEndian: transferSyntax !== bigEndian }
}

/** Without its length, and with the new transfer syntax. */
function fileMeta(source: ByteSource, end: number): Buffer {
  const syntax = element('00020010', 'UI', Buffer.from(`${explicitLittleEndian}\0`))
  if (end === 0) return syntax
  const rewriter = new Rewriter(source, { explicit: true, littleEndian: true }, () => Buffer.alloc(0), {
    '00020000': Buffer.alloc(0),
    '00020010': syntax,
  })
  rewriter.elements(132, end)
  return Buffer.concat(rewriter.chunks)
}

/** Writes data elements again, sequences and all. */
class Rewriter {
  readonly chunks: Buffer[] = []
  readonly #source: ByteSource
  readonly #encoding: Encoding
  readonly #pixels: () => Buffer
  readonly #replaced: Readonly<Record<Tag, Buffer>>

  constructor(
    source: ByteSource,
    encoding: Encoding,
    pixels: () => Buffer,
    replaced: Readonly<Record<Tag, Buffer>> = {},
  ) {
    this.#source = source
    this.#encoding = encoding
    this.#pixels = pixels
    this.#replaced = replaced
  }

  /** Elements from `at` up to `end`, or up to an item's delimiter. Returns where it stopped. */
  elements(at: number, end: number): number {
    while (at < end) {
      const { tag, vr, length, valueAt } = this.#header(at)
      if (tag === 'FFFEE00D') return valueAt
      // Trailing padding ends it (PS3.10, 7.2).
      if (tag === 'FFFCFFFC') return end
      at = this.#element(tag, vr, length, valueAt, end)
    }
    return at
  }

  #element(tag: Tag, vr: string, length: number, valueAt: number, end: number): number {
    if (length === undefinedLength && tag === '7FE00010') {
      const pixels = this.#pixels()
      this.chunks.push(element(tag, 'OW', pixels))
      return end
    }
    if (vr === 'SQ' || length === undefinedLength) {
      const encoding = vr === 'UN' ? { explicit: false, littleEndian: true } : this.#encoding
      const items = new Rewriter(this.#source, encoding, this.#pixels)
      const next = items.#items(valueAt, length === undefinedLength ? end : valueAt + length)
      this.chunks.push(element(tag, 'SQ', Buffer.concat(items.chunks)))
      return next
    }
    const value = Buffer.from(this.#source.read(valueAt, length))
    if (value.length !== length) throw new DataSetError(`The value of element ${tag} is cut short.`)
    this.chunks.push(this.#replaced[tag] ?? element(tag, vr, littleEndianBytes(vr, value, this.#encoding.littleEndian)))
    return valueAt + length
  }

  #items(at: number, end: number): number {
    while (at < end) {
      const { tag, length, valueAt } = this.#header(at)
      if (tag !== 'FFFEE000') return valueAt
      const item = new Rewriter(this.#source, this.#encoding, this.#pixels)
      at = item.elements(valueAt, length === undefinedLength ? end : valueAt + length)
      this.chunks.push(element('FFFEE000', '', Buffer.concat(item.chunks)))
    }
    return at
  }

  #header(at: number): { tag: Tag; vr: string; length: number; valueAt: number } {
    const bytes = this.#source.read(at, 12)
    if (bytes.length < 8) throw new DataSetError('The data set ends inside an element.')
    const { explicit, littleEndian } = this.#encoding
    const uint16 = (from: number) => (littleEndian ? bytes.readUInt16LE(from) : bytes.readUInt16BE(from))
    const uint32 = (from: number) => (littleEndian ? bytes.readUInt32LE(from) : bytes.readUInt32BE(from))
    const tag = `${hex(uint16(0))}${hex(uint16(2))}`
    if (tag.startsWith('FFFE')) return { tag, vr: '', length: uint32(4), valueAt: at + 8 }
    if (!explicit) return { tag, vr: vrOf(tag), length: uint32(4), valueAt: at + 8 }
    const vr = bytes.toString('latin1', 4, 6)
    if (!longVrs.has(vr)) return { tag, vr, length: uint16(6), valueAt: at + 8 }
    return { tag, vr, length: uint32(8), valueAt: at + 12 }
  }
}

/** One element in Explicit VR Little Endian. */
function element(tag: Tag, vr: string, value: Buffer): Buffer {
  // A text that is too long for its VR, which has no room for a longer length, is of unknown VR
  // (PS3.5, 6.2.2).
  const shown = vr !== '' && !longVrs.has(vr) && value.length > 0xffff ? 'UN' : vr
  const header = Buffer.alloc(longVrs.has(shown) ? 12 : 8)
  header.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0)
  header.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2)
  header.write(shown, 4, 'latin1')
  if (shown === '') header.writeUInt32LE(value.length, 4)
  else if (longVrs.has(shown)) header.writeUInt32LE(value.length, 8)
  else header.writeUInt16LE(value.length, 6)
  return Buffer.concat([header, value])
}

/** All frames, decompressed. */
function nativePixels(instance: Rewritable): Buffer {
  const { count, range } = framesOf(instance.plainFile, instance.dataSet)
  const pixels = Buffer.concat(Array.from({ length: count }, (_, index) => nativeFrame(instance, range(index) ?? [])))
  return pixels.length % 2 === 0 ? pixels : Buffer.concat([pixels, Buffer.alloc(1)])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0').toUpperCase()
}
