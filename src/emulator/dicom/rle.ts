import { DataSetError } from './data-set-reader.ts'

/** Of a frame: pixels, samples of each, and bytes of each sample. */
export interface FrameShape {
  readonly pixels: number
  readonly samples: number
  readonly bytes: number
}

const headerBytes = 64
const maxFrameBytes = 256 * 1024 * 1024

/**
 * A frame of RLE Lossless (PS3.5, annex G) as native pixels in little endian, the samples of a
 * pixel together.
 */
export function decodeRle(frame: Buffer, { pixels, samples, bytes }: FrameShape): Buffer {
  const planes = samples * bytes
  if (!Number.isInteger(planes) || pixels * planes > maxFrameBytes || frame.length < headerBytes) throw broken()
  if (frame.readUInt32LE(0) !== planes || planes > 15) throw broken()
  const native = Buffer.alloc(pixels * planes)
  for (let plane = 0; plane < planes; plane++) {
    const start = frame.readUInt32LE(4 + plane * 4)
    const end = plane + 1 < planes ? frame.readUInt32LE(8 + plane * 4) : frame.length
    // The most significant byte of a sample has the first plane.
    const offset = Math.floor(plane / bytes) * bytes + (bytes - 1 - (plane % bytes))
    const decoded = decodeRuns(frame.subarray(start, end), pixels)
    for (let at = 0; at < pixels; at++) native[at * planes + offset] = decoded[at] ?? 0
  }
  return native
}

/**
 * PackBits: a positive count is followed by so many bytes and one more, a negative one by one to
 * repeat.
 */
function decodeRuns(segment: Buffer, length: number): Buffer {
  const decoded = Buffer.alloc(length)
  let to = 0
  for (let at = 0; at < segment.length && to < length; ) {
    const count = segment.readInt8(at)
    if (count >= 0) {
      to += segment.copy(decoded, to, at + 1, Math.min(at + 2 + count, segment.length))
      at += 2 + count
    } else if (count === -128) {
      at += 1
    } else {
      decoded.fill(segment[at + 1] ?? 0, to, to + 1 - count)
      to += 1 - count
      at += 2
    }
  }
  if (to < length) throw broken()
  return decoded
}

function broken(): DataSetError {
  return new DataSetError('The RLE compressed frame is broken.')
}
