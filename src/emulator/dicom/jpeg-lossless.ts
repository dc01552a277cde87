import { codeCounts, JpegBits, magnitude, segment, sizeOf } from './jpeg-bits.ts'

/** Samples of one channel, of more than 8 bits in 16-bit little-endian words. */
export interface Samples {
  readonly columns: number
  readonly rows: number
  readonly bits: number
  readonly pixels: Buffer
}

/** Sizes of differences (ITU-T T.81, H.1.2.2); 16 can't come of what DICOM stores in 12 bits. */
const sizes = Array.from({ length: 16 }, (_, size) => size)
/** Bits of each code; a code of ones alone stays unused (C.2). */
const codeBits = 5

/**
 * JPEG Lossless, Process 14, Selection Value 1: each sample is predicted by its left neighbor. All
 * Huffman codes have the same length, as in `encodeJpeg`.
 */
export function encodeJpegLossless({ columns, rows, bits, pixels }: Samples): Buffer {
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xc3, [bits, rows >> 8, rows & 0xff, columns >> 8, columns & 0xff, 1, 1, 0x11, 0]),
    segment(0xc4, [0x00, ...codeCounts(codeBits, sizes.length), ...sizes]),
    segment(0xda, [1, 1, 0, 1, 0, 0]),
    scan({ columns, rows, bits, pixels }),
    Buffer.from([0xff, 0xd9]),
  ])
}

function scan({ columns, rows, bits, pixels }: Samples): Buffer {
  const sample = bits > 8 ? (at: number) => pixels.readUInt16LE(at * 2) : (at: number) => pixels.readUInt8(at)
  const written = new JpegBits()
  for (let at = 0; at < columns * rows; at += 1) {
    const difference = sample(at) - prediction(at)
    written.write(sizeOf(difference), codeBits)
    written.write(magnitude(difference), sizeOf(difference))
  }
  return written.end()

  // The first sample of a line has only one above it, and the very first none at all (H.1.1).
  function prediction(at: number): number {
    if (at === 0) return 1 << (bits - 1)
    return sample(at % columns === 0 ? at - columns : at - 1)
  }
}
