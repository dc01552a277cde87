import { deflateRawSync } from 'node:zlib'

/** A value, or the items of a sequence. */
export type EncodedElement = readonly [tag: string, vr: string, value: string | Buffer | readonly EncodedElement[][]]

export const syntaxes = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  bigEndian: '1.2.840.10008.1.2.2',
  deflated: '1.2.840.10008.1.2.1.99',
} as const

const longVrs = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'])
const units: Readonly<Record<string, number>> = { US: 2, SS: 2, OW: 2, AT: 2, UL: 4, SL: 4, FL: 4, FD: 8, SV: 8, UV: 8 }

/** A Part 10 file in a transfer syntax; numbers are given in Little Endian. */
export function encodedFile(syntax: string, elements: readonly EncodedElement[]): Buffer {
  const explicit = syntaxes.explicit
  const own = encodeAll(explicit, [['00020010', 'UI', syntax]])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(own.length)
  const meta = Buffer.concat([encodeAll(explicit, [['00020000', 'UL', length]]), own])
  const dataSet = encodeAll(syntax === syntaxes.deflated ? explicit : syntax, elements)
  const body = syntax === syntaxes.deflated ? deflateRawSync(dataSet) : dataSet
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), meta, body])
}

function encodeAll(syntax: string, elements: readonly EncodedElement[]): Buffer {
  return Buffer.concat(elements.map((element) => encode(syntax, element)))
}

function encode(syntax: string, [tag, vr, value]: EncodedElement): Buffer {
  const littleEndian = syntax !== syntaxes.bigEndian
  const bytes = bytesOf(syntax, vr, value)
  const number = (size: 2 | 4, n: number) => {
    const encoded = Buffer.alloc(size)
    if (littleEndian) encoded.writeUIntLE(n, 0, size)
    else encoded.writeUIntBE(n, 0, size)
    return encoded
  }
  const head = [number(2, Number.parseInt(tag.slice(0, 4), 16)), number(2, Number.parseInt(tag.slice(4), 16))]
  if (vr === '' || syntax === syntaxes.implicit) return Buffer.concat([...head, number(4, bytes.length), bytes])
  if (longVrs.has(vr)) return Buffer.concat([...head, Buffer.from(`${vr}\0\0`), number(4, bytes.length), bytes])
  return Buffer.concat([...head, Buffer.from(vr), number(2, bytes.length), bytes])
}

function bytesOf(syntax: string, vr: string, value: EncodedElement[2]): Buffer {
  if (typeof value === 'string') {
    return Buffer.from(value.length % 2 === 0 ? value : `${value}${vr === 'UI' ? '\0' : ' '}`, 'latin1')
  }
  if (!Buffer.isBuffer(value)) {
    return Buffer.concat(value.map((item) => encode(syntax, ['FFFEE000', '', encodeAll(syntax, item)])))
  }
  const unit = syntax === syntaxes.bigEndian ? (units[vr] ?? 1) : 1
  const copy = Buffer.from(value)
  if (unit === 1) return copy
  return unit === 2 ? copy.swap16() : unit === 4 ? copy.swap32() : copy.swap64()
}
