import type { FrameShape } from './rle.ts'

const headerBytes = 64
const maxRun = 128

/** A frame of native pixels, the samples of a pixel together, as RLE Lossless (PS3.5, annex G). */
export function encodeRle(native: Buffer, columns: number, { pixels, samples, bytes }: FrameShape): Buffer {
  const planes = samples * bytes
  const header = Buffer.alloc(headerBytes)
  header.writeUInt32LE(planes)
  const segments: Buffer[] = []
  let start = headerBytes
  for (let plane = 0; plane < planes; plane += 1) {
    // The most significant byte of a sample has the first plane.
    const offset = Math.floor(plane / bytes) * bytes + (bytes - 1 - (plane % bytes))
    const values = Buffer.alloc(pixels)
    for (let at = 0; at < pixels; at += 1) values[at] = native[at * planes + offset] ?? 0
    const segment = encodeRows(values, columns)
    header.writeUInt32LE(start, 4 + plane * 4)
    segments.push(segment)
    start += segment.length
  }
  return Buffer.concat([header, ...segments])
}

/** No run crosses the end of a row (G.3.1), and a segment has an even length (G.4). */
function encodeRows(values: Buffer, columns: number): Buffer {
  const runs: Buffer[] = []
  for (let row = 0; row < values.length; row += columns) runs.push(...packBits(values.subarray(row, row + columns)))
  const segment = Buffer.concat(runs)
  return segment.length % 2 === 0 ? segment : Buffer.concat([segment, Buffer.alloc(1)])
}

function* packBits(row: Buffer): Generator<Buffer> {
  let literal = 0
  for (let at = 0; at < row.length; ) {
    const length = runLength(row, at)
    if (length < 3 && at + length < row.length) {
      at += length
      continue
    }
    if (length < 3) at += length
    yield* literals(row.subarray(literal, at))
    if (length >= 3) {
      yield Buffer.from([257 - length, row[at] ?? 0])
      at += length
    }
    literal = at
  }
}

function runLength(row: Buffer, start: number): number {
  let end = start + 1
  while (end < row.length && end - start < maxRun && row[end] === row[start]) end += 1
  return end - start
}

function* literals(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += maxRun) {
    const piece = bytes.subarray(at, at + maxRun)
    yield Buffer.concat([Buffer.from([piece.length - 1]), piece])
  }
}
