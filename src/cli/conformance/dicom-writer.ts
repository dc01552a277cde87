import { deflateRawSync } from 'node:zlib'
import type { DicomElement, ElementValue } from '../../emulator/synthetic-dataset.ts'

/** Transfer syntaxes that test instances are written in (PS3.5, chapter 10). */
export const transferSyntaxes = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  bigEndian: '1.2.840.10008.1.2.2',
  rle: '1.2.840.10008.1.2.5',
} as const
export type TransferSyntax = keyof typeof transferSyntaxes

interface Encoding {
  readonly explicit: boolean
  readonly littleEndian: boolean
}

const explicitLittleEndian: Encoding = { explicit: true, littleEndian: true }
const encodings: Readonly<Record<TransferSyntax, Encoding>> = {
  implicit: { explicit: false, littleEndian: true },
  explicit: explicitLittleEndian,
  deflated: explicitLittleEndian,
  bigEndian: { explicit: true, littleEndian: false },
  rle: explicitLittleEndian,
}

/** Two reserved bytes and a 32-bit length follow these (PS3.5, 7.1.2). */
const longVrs: ReadonlySet<string> = new Set(['OB', 'OW', 'SQ', 'UN', 'UT'])
const ITEM = 0xfffee000
const SEQUENCE_DELIMITER = 0xfffee0dd
const UNDEFINED_LENGTH = 0xffffffff
const PIXEL_DATA = 0x7fe00010

export interface Uids {
  readonly sopClass: string
  readonly instance: string
}

/**
 * A Part 10 file. Pixels are 16 bit words in little endian, one buffer for each frame; the syntax
 * says how they are written.
 */
export function dicomFile(
  { sopClass, instance }: Uids,
  elements: readonly DicomElement[],
  frames: readonly Buffer[],
  syntax: TransferSyntax,
): Buffer {
  const encoding = encodings[syntax]
  const dataSet = Buffer.concat([encodeElements(elements, encoding), pixelData(frames, syntax)])
  const meta = encodeElements(
    [
      [0x00020001, 'OB', Buffer.from([0, 1])],
      [0x00020002, 'UI', sopClass],
      [0x00020003, 'UI', instance],
      [0x00020010, 'UI', transferSyntaxes[syntax]],
      [0x00020012, 'UI', '2.25.277231564226475928573106494325182370812'],
    ],
    explicitLittleEndian,
  )
  const length = encodeElements([[0x00020000, 'UL', meta.length]], explicitLittleEndian)
  const content = syntax === 'deflated' ? padded(deflateRawSync(dataSet), 0) : dataSet
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), length, meta, content])
}

function encodeElements(elements: readonly DicomElement[], encoding: Encoding): Buffer {
  const ordered = [...elements].sort(([one], [other]) => one - other)
  return Buffer.concat(
    ordered.flatMap(([tag, vr, value]) => {
      const bytes = encodeValue(vr, value, encoding)
      return [header(tag, vr, bytes.length, encoding), bytes]
    }),
  )
}

function header(tag: number, vr: string, length: number, { explicit, littleEndian }: Encoding): Buffer {
  const isLong = longVrs.has(vr)
  const bytes = Buffer.alloc(explicit && isLong ? 12 : 8)
  const [write16, write32] = littleEndian
    ? [bytes.writeUInt16LE.bind(bytes), bytes.writeUInt32LE.bind(bytes)]
    : [bytes.writeUInt16BE.bind(bytes), bytes.writeUInt32BE.bind(bytes)]
  write16(tag >>> 16, 0)
  write16(tag & 0xffff, 2)
  if (explicit && vr !== '') bytes.write(vr, 4, 'latin1')
  if (!explicit || vr === '') write32(length, 4)
  else if (isLong) write32(length, 8)
  else write16(length, 6)
  return bytes
}

function encodeValue(vr: string, value: ElementValue, encoding: Encoding): Buffer {
  if (typeof value === 'string') return padded(Buffer.from(value), vr === 'UI' ? 0 : 0x20)
  if (typeof value === 'number') return encodeNumber(vr, value, encoding)
  if (Buffer.isBuffer(value)) return padded(value, 0)
  return Buffer.concat(
    value.map((item) => {
      const content = encodeElements(item, encoding)
      return Buffer.concat([header(ITEM, '', content.length, encoding), content])
    }),
  )
}

function encodeNumber(vr: string, value: number, { littleEndian }: Encoding): Buffer {
  const bytes = Buffer.alloc(vr === 'US' ? 2 : 4)
  if (vr === 'US') littleEndian ? bytes.writeUInt16LE(value) : bytes.writeUInt16BE(value)
  else littleEndian ? bytes.writeUInt32LE(value) : bytes.writeUInt32BE(value)
  return bytes
}

function padded(bytes: Buffer, padding: number): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from([padding])])
}

function pixelData(frames: readonly Buffer[], syntax: TransferSyntax): Buffer {
  if (frames.length === 0) return Buffer.alloc(0)
  const encoding = encodings[syntax]
  if (syntax === 'rle') return encapsulated(frames.map(rleFrame), encoding)
  const pixels = Buffer.concat(frames)
  if (syntax === 'bigEndian') pixels.swap16()
  return Buffer.concat([header(PIXEL_DATA, 'OW', pixels.length, encoding), pixels])
}

/** Compressed frames, a fragment each, behind an empty Basic Offset Table (PS3.5, A.4). */
function encapsulated(frames: readonly Buffer[], encoding: Encoding): Buffer {
  const items = frames.flatMap((frame) => [header(ITEM, '', frame.length, encoding), frame])
  return Buffer.concat([
    header(PIXEL_DATA, 'OB', UNDEFINED_LENGTH, encoding),
    header(ITEM, '', 0, encoding),
    ...items,
    header(SEQUENCE_DELIMITER, '', 0, encoding),
  ])
}

/** PS3.5, annex G: a segment for the high bytes, one for the low bytes, both of literal runs. */
function rleFrame(frame: Buffer): Buffer {
  const [high, low] = [1, 0].map((from) => literalRuns(frame.filter((_, at) => at % 2 === from)))
  if (!high || !low) throw new RangeError('A word has two bytes')
  const offsets = Buffer.alloc(64)
  offsets.writeUInt32LE(2, 0)
  offsets.writeUInt32LE(offsets.length, 4)
  offsets.writeUInt32LE(offsets.length + high.length, 8)
  return Buffer.concat([offsets, high, low])
}

/** The longest run has 128 bytes. */
const maxRun = 128

function literalRuns(bytes: Uint8Array): Buffer {
  const runs: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += maxRun) {
    const run = bytes.subarray(at, at + maxRun)
    runs.push(Buffer.from([run.length - 1]), run)
  }
  return padded(Buffer.concat(runs), 0)
}
