import { type ByteSource, withFile } from './byte-source.ts'
import { type BulkData, type DataSet, numberOf } from './dicom-json.ts'

/** The pieces of a file that make up one frame: one for native pixel data, else its fragments. */
export type Range = readonly { readonly offset: number; readonly length: number }[]

/**
 * Where the frames of an instance lie in its file; none when it has no pixel data. A file may claim
 * millions: each is made when asked.
 */
export interface Frames {
  readonly count: number
  range(index: number): Range | undefined
}

export function framesOf(file: string, dataSet: DataSet): Frames {
  const pixels = dataSet['7FE00010']?.bulk
  if (!pixels) return { count: 0, range: () => undefined }
  // A file may claim any number; no frame is smaller than a byte.
  const frames = Math.max(1, Math.min(Math.trunc(numberOf(dataSet, '00280008') ?? 1), pixels.length))
  if (pixels.encapsulated) {
    const ranges = withFile(file, (source) => encapsulatedFrames(source, pixels, frames))
    return { count: ranges.length, range: (index) => ranges[index] }
  }
  const length = frameBytes(dataSet, frames, pixels.length)
  const range = (index: number) => (index < frames ? [{ offset: pixels.offset + index * length, length }] : undefined)
  return { count: frames, range }
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
  // Frames follow each other, and so their fragments are found in one pass. Any other table says
  // nothing.
  if (starts.some((start, index) => start < (starts[index - 1] ?? 0))) return []
  let at = 0
  // The table counts from the first fragment's item header, eight bytes before its value.
  const pass = (place: number) => {
    const first = at
    while (at < fragments.length && (fragments[at]?.offset ?? 0) - 8 - origin < place) at += 1
    return fragments.slice(first, at)
  }
  pass(starts[0] ?? 0)
  return starts.map((_, index) => pass(starts[index + 1] ?? Number.POSITIVE_INFINITY))
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
