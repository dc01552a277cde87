import { DataSetError } from './data-set-reader.ts'
import { type DataSet, type Element, isDataSet, isPersonName, type Value } from './dicom-json.ts'
import type { Tag } from './dictionary.ts'
import { explicitLittleEndian, implicitLittleEndian } from './part10.ts'

const undefinedLength = 0xffffffff
const longVrs = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'])
const textVrs = new Set('AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT'.split(' '))

const numbers: Readonly<Record<string, readonly [size: number, write: (bytes: Buffer, value: number) => void]>> = {
  US: [2, (bytes, value) => bytes.writeUInt16LE(value)],
  SS: [2, (bytes, value) => bytes.writeInt16LE(value)],
  UL: [4, (bytes, value) => bytes.writeUInt32LE(value)],
  SL: [4, (bytes, value) => bytes.writeInt32LE(value)],
  FL: [4, (bytes, value) => bytes.writeFloatLE(value)],
  FD: [8, (bytes, value) => bytes.writeDoubleLE(value)],
  SV: [8, (bytes, value) => bytes.writeBigInt64LE(BigInt(value))],
  UV: [8, (bytes, value) => bytes.writeBigUInt64LE(BigInt(value))],
}

/**
 * A value that comes from elsewhere, and how it is packed: as it is, or as the fragment of a frame.
 */
export interface OutsideValue {
  readonly tag: Tag
  readonly length: number
  readonly isEncapsulated: boolean
}

/**
 * A Part 10 file before and after a value that comes from elsewhere; without one, all is `before`.
 */
export interface WrittenFile {
  readonly before: Buffer
  readonly after: Buffer
}

/**
 * A Part 10 file of a data set in the DICOM JSON Model (PS3.18, F), in the syntax that the data set
 * names. Throws DataSetError for what cannot be written.
 */
export function writeDicomFile(dataSet: DataSet, transferSyntax: string, outside?: OutsideValue): WrittenFile {
  const explicit = transferSyntax !== implicitLittleEndian
  const tags = Object.keys(dataSet).filter((tag) => !tag.startsWith('0002'))
  const before: Buffer[] = [fileMeta(dataSet, transferSyntax)]
  const after: Buffer[] = []
  let into = before
  for (const tag of tags.sort()) {
    const element = dataSet[tag]
    if (!element) continue
    if (tag !== outside?.tag) {
      into.push(...encoded(tag, element, explicit))
      continue
    }
    before.push(...opening(element.vr, outside, explicit))
    into = after
    after.push(...closing(outside))
  }
  return { before: Buffer.concat(before), after: Buffer.concat(after) }
}

function fileMeta(dataSet: DataSet, transferSyntax: string): Buffer {
  const uid = (value: Element | undefined): Element => ({ vr: 'UI', Value: value?.Value ?? [] })
  const elements: readonly [Tag, Element][] = [
    ['00020001', { vr: 'OB', InlineBinary: 'AAE=' }],
    ['00020002', uid(dataSet['00080016'])],
    ['00020003', uid(dataSet['00080018'])],
    ['00020010', { vr: 'UI', Value: [transferSyntax] }],
  ]
  const meta = Buffer.concat(elements.flatMap(([tag, element]) => encoded(tag, element, true)))
  const length = encoded('00020000', { vr: 'UL', Value: [meta.length] }, true)
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), ...length, meta])
}

function opening(vr: string, { tag, length, isEncapsulated }: OutsideValue, explicit: boolean): Buffer[] {
  if (!isEncapsulated) return [header(tag, vr, length + (length % 2), explicit)]
  // An empty Basic Offset Table and one fragment (PS3.5, A.4).
  return [header(tag, 'OB', undefinedLength, explicit), item(0), item(length + (length % 2))]
}

function closing({ length, isEncapsulated }: OutsideValue): Buffer[] {
  const padding = Buffer.alloc(length % 2)
  return isEncapsulated ? [padding, Buffer.from('feffdde000000000', 'hex')] : [padding]
}

function item(length: number): Buffer {
  const bytes = Buffer.from('feff00e000000000', 'hex')
  bytes.writeUInt32LE(length, 4)
  return bytes
}

function encoded(tag: Tag, element: Element, explicit: boolean): Buffer[] {
  if (!/^[0-9A-F]{8}$/.test(tag) || !/^[A-Z]{2}$/.test(String(element.vr))) {
    throw new DataSetError(`Element ${tag} has no tag or no VR.`)
  }
  const value = encodedValue(tag, element, explicit)
  const padding = value.length % 2 === 0 ? '' : textVrs.has(element.vr) && element.vr !== 'UI' ? ' ' : '\0'
  const bytes = Buffer.concat([value, Buffer.from(padding)])
  return [header(tag, element.vr, bytes.length, explicit), bytes]
}

function header(tag: Tag, vr: string, length: number, explicit: boolean): Buffer {
  const isLong = longVrs.has(vr)
  if (explicit && !isLong && length > 0xffff) throw new DataSetError(`The value of element ${tag} is too long.`)
  const bytes = Buffer.alloc(explicit && isLong ? 12 : 8)
  bytes.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0)
  bytes.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2)
  if (explicit) bytes.write(vr, 4, 'latin1')
  if (explicit && !isLong) bytes.writeUInt16LE(length, 6)
  else bytes.writeUInt32LE(length, bytes.length - 4)
  return bytes
}

function encodedValue(tag: Tag, { vr, Value = [], InlineBinary, BulkDataURI }: Element, explicit: boolean): Buffer {
  if (BulkDataURI !== undefined) throw new DataSetError(`Element ${tag} cannot be bulk data.`)
  if (InlineBinary !== undefined) return Buffer.from(InlineBinary, 'base64')
  if (!Array.isArray(Value)) throw new DataSetError(`The value of element ${tag} is no array.`)
  if (vr === 'SQ') return Buffer.concat(Value.flatMap((value) => encodedItem(tag, value, explicit)))
  if (textVrs.has(vr)) return Buffer.from(Value.map(text).join('\\'))
  const number = numbers[vr]
  if (number) return Buffer.concat(Value.map((value) => encodedNumber(tag, value, number)))
  if (vr === 'AT') return Buffer.concat(Value.map((value) => encodedTag(tag, value)))
  if (Value.length === 0) return Buffer.alloc(0)
  throw new DataSetError(`Element ${tag} has a value that its VR cannot have.`)
}

function encodedItem(tag: Tag, value: Value, explicit: boolean): Buffer[] {
  if (value === null || !isDataSet(value)) throw new DataSetError(`Sequence ${tag} holds something else than items.`)
  const content = Object.keys(value)
    .sort()
    .flatMap((each) => encoded(each, value[each] as Element, explicit))
  return [item(content.reduce((sum, { length }) => sum + length, 0)), ...content]
}

function encodedTag(tag: Tag, value: Value): Buffer {
  if (!/^[0-9A-F]{8}$/i.test(String(value))) throw new DataSetError(`Element ${tag} has a value that is no tag.`)
  return Buffer.from(String(value), 'hex').swap16()
}

function encodedNumber(tag: Tag, value: Value, [size, write]: NonNullable<(typeof numbers)[string]>): Buffer {
  const bytes = Buffer.alloc(size)
  try {
    // Buffer writes NaN as zero; large ones of SV and UV are texts (PS3.18, F.2.3.1).
    if (value === null || Number.isNaN(Number(value))) throw new RangeError('no number')
    write(bytes, value as number)
  } catch (cause) {
    throw new DataSetError(`Element ${tag} has a value that its VR cannot have.`, { cause })
  }
  return bytes
}

function text(value: Value): string {
  if (value === null) return ''
  if (!isPersonName(value)) return String(value)
  const { Alphabetic = '', Ideographic = '', Phonetic = '' } = value
  const groups = [Alphabetic, Ideographic, Phonetic]
  return groups.slice(0, groups.findLastIndex((group) => group !== '') + 1).join('=')
}

/** Whether pixel data in a syntax are made of fragments. */
export function isEncapsulated(transferSyntax: string): boolean {
  return transferSyntax !== implicitLittleEndian && transferSyntax !== explicitLittleEndian
}
