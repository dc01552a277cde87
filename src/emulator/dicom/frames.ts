import { type ByteSource, withFile } from './byte-source.ts'
import { type BulkData, type DataSet, numberOf } from './dicom-json.ts'

/** The pieces of a file that make up one frame: one for native pixel data, else its fragments. */
export type Range = readonly { readonly offset: number; readonly length: number }[]

/** Where each frame of an instance lies in its file; empty when it has no pixel data. */
export function frameRanges(file: string, dataSet: DataSet): Range[] {
  const pixels = dataSet['7FE00010']?.bulk
  if (!pixels) return []
  // A file may claim any number; no frame is smaller than a byte.
  const frames = Math.max(1, Math.min(Math.trunc(numberOf(dataSet, '00280008') ?? 1), pixels.length))
  if (pixels.encapsulated) return withFile(file, (source) => encapsulatedFrames(source, pixels, frames))
  const length = frameBytes(dataSet, frames, pixels.length)
  return Array.from({ length: frames }, (_, index) => [{ offset: pixels.offset + index * length, length }])
}

function frameBytes(dataSet: DataSet, frames: number, total: number): number {
  const value = (tag: string, otherwise: number) => numberOf(dataSet, tag) ?? otherwise
  const bits = value('00280010', 0) * value('00280011', 0) * value('00280002', 1) * value('00280100', 8)
  return bits === 0 ? Math.floor(total / frames) : Math.min(Math.ceil(bits / 8), Math.floor(total / frames))
}

/**
 * Fragments grouped by the Basic Offset Table (PS3.5, A.4); without one, a fragment is a frame, or
 * all are the only one.
 */
function encapsulatedFrames(source: ByteSource, pixels: BulkData, frames: number): Range[] {
  const [table, ...fragments] = items(source, pixels)
  if (!table) return []
  const starts: number[] = []
  const bytes = Buffer.from(source.read(table.offset, table.length))
  for (let at = 0; at + 4 <= bytes.length; at += 4) starts.push(bytes.readUInt32LE(at))
  if (starts.length === 0) return frames === 1 ? [fragments] : fragments.map((fragment) => [fragment])
  const origin = table.offset + table.length
  return starts.map((start, index) => {
    const next = starts[index + 1] ?? Number.POSITIVE_INFINITY
    // The table counts from the first fragment's item header, eight bytes before its value.
    return fragments.filter(({ offset }) => offset - 8 - origin >= start && offset - 8 - origin < next)
  })
}

function items(source: ByteSource, { offset, length }: BulkData): { offset: number; length: number }[] {
  const found: { offset: number; length: number }[] = []
  for (let at = offset; at < offset + length; ) {
    const size = source.read(at, 8).readUInt32LE(4)
    found.push({ offset: at + 8, length: size })
    at += 8 + size
  }
  return found
}
