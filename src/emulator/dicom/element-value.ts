import { TextDecoder } from 'node:util'
import type { PersonName, Value } from './dicom-json.ts'

/** Fixed-size binary numbers: bytes of one value, and how to read it. */
const numbers: Readonly<Record<string, readonly [number, (bytes: Buffer, at: number) => number | string]>> = {
  US: [2, (bytes, at) => bytes.readUInt16LE(at)],
  SS: [2, (bytes, at) => bytes.readInt16LE(at)],
  UL: [4, (bytes, at) => bytes.readUInt32LE(at)],
  SL: [4, (bytes, at) => bytes.readInt32LE(at)],
  FL: [4, (bytes, at) => bytes.readFloatLE(at)],
  FD: [8, (bytes, at) => bytes.readDoubleLE(at)],
  // Beyond 2^53 a JSON number would lose digits: a string then (PS3.18, F.2.3.1).
  SV: [8, (bytes, at) => safe(bytes.readBigInt64LE(at))],
  UV: [8, (bytes, at) => safe(bytes.readBigUInt64LE(at))],
  AT: [4, (bytes, at) => (hex(bytes.readUInt16LE(at)) + hex(bytes.readUInt16LE(at + 2))).toUpperCase()],
}

export const binaryVrs: ReadonlySet<string> = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'UN'])

/** Bytes of one value of a number of fixed size; 1 of everything else. */
export function valueBytes(vr: string): number {
  return numbers[vr]?.[0] ?? 1
}

/** Bytes of a unit whose order depends on the syntax: an AT is two numbers. */
const swapped: Readonly<Record<string, number>> = { AT: 2, OW: 2, OF: 4, OL: 4, OD: 8, OV: 8 }

/**
 * A value in Little Endian: the order of InlineBinary, and the one that values are decoded from.
 */
export function littleEndianBytes(vr: string, bytes: Buffer, isLittleEndian: boolean): Buffer {
  const unit = swapped[vr] ?? valueBytes(vr)
  if (isLittleEndian || unit === 1 || bytes.length % unit !== 0) return bytes
  const copy = Buffer.from(bytes)
  if (unit === 2) return copy.swap16()
  return unit === 4 ? copy.swap32() : copy.swap64()
}

/** Text in which a backslash is no separator (PS3.5, 6.2). */
const singleValued = new Set(['LT', 'ST', 'UT', 'UR'])

/** VRs that Specific Character Set applies to (PS3.5, 6.1.2.3). */
const localized = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT'])

/** The `Value` array of an element that is neither a sequence nor binary (PS3.18, F.2.3). */
export function decodeValue(vr: string, bytes: Buffer, charset: TextDecoder): Value[] {
  const binary = numbers[vr]
  if (binary) {
    const [size, read] = binary
    return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => read(bytes, index * size))
  }
  const text = (localized.has(vr) ? charset.decode(bytes) : bytes.toString('latin1')).replace(/(?<![\0 ])[\0 ]+$/, '')
  if (text === '') return []
  const values = singleValued.has(vr) ? [text] : text.split('\\')
  return values.map((value) => decodeText(vr, value))
}

function decodeText(vr: string, text: string): Value {
  if (vr === 'PN') return personName(text.trimEnd())
  if (vr === 'IS' || vr === 'DS') {
    const number = Number(text.trim())
    return text.trim() === '' ? null : Number.isNaN(number) ? text.trim() : number
  }
  if (singleValued.has(vr)) return text
  return text.trim() === '' ? null : text.trim()
}

function personName(text: string): Value {
  const [alphabetic, ideographic, phonetic] = text.split('=')
  const name: PersonName = {}
  if (alphabetic) name.Alphabetic = alphabetic
  if (ideographic) name.Ideographic = ideographic
  if (phonetic) name.Phonetic = phonetic
  return Object.keys(name).length === 0 ? null : name
}

/** PS3.3, C.12.1.1.2, for the single-byte sets without code extensions, and UTF-8, GB18030, GBK. */
const encodings: Readonly<Record<string, string>> = {
  'ISO_IR 101': 'iso-8859-2',
  'ISO_IR 109': 'iso-8859-3',
  'ISO_IR 110': 'iso-8859-4',
  'ISO_IR 126': 'iso-8859-7',
  'ISO_IR 127': 'iso-8859-6',
  'ISO_IR 138': 'iso-8859-8',
  'ISO_IR 144': 'iso-8859-5',
  'ISO_IR 13': 'shift_jis',
  'ISO_IR 166': 'windows-874',
  'ISO_IR 192': 'utf-8',
  GB18030: 'gb18030',
  GBK: 'gbk',
  'ISO 2022 IR 87': 'iso-2022-jp',
  'ISO 2022 IR 149': 'euc-kr',
}

/**
 * The decoder for a Specific Character Set; of several, the last decides. Latin-1 where nothing
 * fits.
 */
export function decoderFor(characterSets: readonly Value[]): TextDecoder {
  return new TextDecoder(encodings[String(characterSets.at(-1) ?? '')] ?? 'latin1')
}

function safe(value: bigint): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0')
}
