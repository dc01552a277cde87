import { explicitLittleEndian } from './dicom/part10.ts'

/**
 * A DICOM value as an element takes it: text (several joined by a backslash), a number for US and
 * UL, items for SQ, or raw bytes.
 */
export type ElementValue = string | number | Buffer | readonly DicomElement[][]

/** One data element: tag as `ggggeeee` in one number, value representation, value. */
export type DicomElement = readonly [tag: number, vr: string, value: ElementValue]

// These have two reserved bytes and a 32-bit length (PS3.5, 7.1.2).
const LONG_VRS = new Set(['OB', 'OW', 'SQ', 'UN', 'UT'])
const ITEM = 0xfffee000

/**
 * Elements in Explicit VR Little Endian, in the ascending order of tags that DICOM demands (PS3.5,
 * 7.1). Written by hand because the bytes must be the same on every run and with every version of
 * every package.
 */
export function encodeDataset(elements: readonly DicomElement[]): Buffer {
  const ordered = [...elements].sort(([a], [b]) => a - b)
  return Buffer.concat(ordered.flatMap(([tag, vr, value]) => encodeElement(tag, vr, value)))
}

/** Everything of an element that comes before its value; `length` in bytes. */
export function elementHeader(tag: number, vr: string, length: number): Buffer {
  const header = Buffer.alloc(LONG_VRS.has(vr) ? 12 : 8)
  writeTag(header, tag)
  header.write(vr, 4, 'latin1')
  if (LONG_VRS.has(vr)) header.writeUInt32LE(length, 8)
  else header.writeUInt16LE(length, 6)
  return header
}

/** Preamble and file meta information of a Part 10 file (PS3.10, 7.1); the data set follows. */
export function encodeFileMeta(
  sopClassUid: string,
  sopInstanceUid: string,
  transferSyntax = explicitLittleEndian,
): Buffer {
  const meta = encodeDataset([
    [0x00020001, 'OB', Buffer.from([0, 1])],
    [0x00020002, 'UI', sopClassUid],
    [0x00020003, 'UI', sopInstanceUid],
    [0x00020010, 'UI', transferSyntax],
    [0x00020012, 'UI', '2.25.277231564226475928573106494325182370812'],
    [0x00020013, 'SH', 'SYNTHETIC_1'],
  ])
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), encodeDataset([[0x00020000, 'UL', meta.length]]), meta])
}

function encodeElement(tag: number, vr: string, value: ElementValue): Buffer[] {
  const bytes = encodeValue(vr, value)
  return [elementHeader(tag, vr, bytes.length), bytes]
}

function encodeValue(vr: string, value: ElementValue): Buffer {
  if (typeof value === 'number') return encodeNumber(vr, value)
  if (typeof value === 'string') return padded(Buffer.from(value), vr === 'UI' ? 0 : 0x20)
  if (Buffer.isBuffer(value)) return padded(value, 0)
  return Buffer.concat(value.map(encodeItem))
}

function encodeNumber(vr: string, value: number): Buffer {
  const bytes = Buffer.alloc(vr === 'US' ? 2 : 4)
  if (vr === 'US') bytes.writeUInt16LE(value)
  else if (vr === 'UL') bytes.writeUInt32LE(value)
  else throw new TypeError(`No binary number has the value representation ${vr}`)
  return bytes
}

function encodeItem(elements: readonly DicomElement[]): Buffer {
  const content = encodeDataset(elements)
  const header = Buffer.alloc(8)
  writeTag(header, ITEM)
  header.writeUInt32LE(content.length, 4)
  return Buffer.concat([header, content])
}

function writeTag(into: Buffer, tag: number): void {
  into.writeUInt16LE(tag >>> 16, 0)
  into.writeUInt16LE(tag & 0xffff, 2)
}

function padded(bytes: Buffer, padding: number): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from([padding])])
}
