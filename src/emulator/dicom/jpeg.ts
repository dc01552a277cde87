import type { Image } from './image.ts'
import { codeCounts, JpegBits, magnitude, segment, sizeOf } from './jpeg-bits.ts'

/**
 * A baseline JPEG (ITU-T T.81), encoded by hand because the encoders on npm are no longer kept
 * (jpeg-js) or bring a native library. One quantization table, no subsampling, and Huffman codes
 * that all have the same length: larger than need be, but any decoder reads it.
 */
export function encodeJpeg({ width, height, channels, pixels }: Image): Buffer {
  const ids = channels === 1 ? [1] : [1, 2, 3]
  const frame = [8, height >> 8, height & 0xff, width >> 8, width & 0xff, ids.length]
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xe0, [...Buffer.from('JFIF\0'), 1, 1, 0, 0, 1, 0, 1, 0, 0]),
    segment(0xdb, [0, ...zigzag.map((at) => quantization[at] ?? 1)]),
    segment(0xc0, [...frame, ...ids.flatMap((id) => [id, 0x11, 0])]),
    segment(0xc4, [0x00, ...codeCounts(dcBits, dcSymbols.length), ...dcSymbols]),
    segment(0xc4, [0x10, ...codeCounts(acBits, acSymbols.length), ...acSymbols]),
    segment(0xda, [ids.length, ...ids.flatMap((id) => [id, 0]), 0, 63, 0]),
    scan(components({ width, height, channels, pixels }), width, height),
    Buffer.from([0xff, 0xd9]),
  ])
}

/**
 * Sizes of differences (F.1.2.1.1); runs of zeros and sizes, end of block and sixteen zeros
 * (F.1.2.2.1).
 */
const dcSymbols = Array.from({ length: 12 }, (_, size) => size)
const acSymbols = [
  0x00,
  0xf0,
  ...Array.from({ length: 160 }, (_, index) => (Math.floor(index / 10) << 4) | ((index % 10) + 1)),
]
/** Bits of each code; a code of ones alone stays unused (C.2). */
const dcBits = 4
const acBits = 8
const acCodes = new Map(acSymbols.map((symbol, code) => [symbol, code]))

/** Coarser where the eye sees less. */
const quantization = Array.from({ length: 64 }, (_, at) => 4 + (at & 7) + (at >> 3))

/** Positions in a block in the order of their frequencies (figure A.6). */
const zigzag = Array.from({ length: 64 }, (_, at) => at).sort((a, b) => {
  const [diagonalA, diagonalB] = [(a & 7) + (a >> 3), (b & 7) + (b >> 3)]
  if (diagonalA !== diagonalB) return diagonalA - diagonalB
  return diagonalA % 2 === 0 ? (a & 7) - (b & 7) : (a >> 3) - (b >> 3)
})

const cosines = Float64Array.from({ length: 64 }, (_, at) => {
  const [frequency, x] = [at >> 3, at & 7]
  return (frequency === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * x + 1) * frequency * Math.PI) / 16)
})

/** Luminance, and for colour both chrominances (JFIF), around zero. */
function components({ width, height, channels, pixels }: Image): Float32Array[] {
  const size = width * height
  if (channels === 1) return [Float32Array.from({ length: size }, (_, at) => (pixels[at] ?? 0) - 128)]
  const weights = [
    [0.299, 0.587, 0.114, -128],
    [-0.168736, -0.331264, 0.5, 0],
    [0.5, -0.418688, -0.081312, 0],
  ] as const
  return weights.map(([red, green, blue, shift]) =>
    Float32Array.from(
      { length: size },
      (_, at) =>
        red * (pixels[at * 3] ?? 0) + green * (pixels[at * 3 + 1] ?? 0) + blue * (pixels[at * 3 + 2] ?? 0) + shift,
    ),
  )
}

function scan(planes: readonly Float32Array[], width: number, height: number): Buffer {
  const bits = new JpegBits()
  const previous = planes.map(() => 0)
  for (let top = 0; top < height; top += 8) {
    for (let left = 0; left < width; left += 8) {
      for (const [index, plane] of planes.entries()) {
        const block = quantized(plane, { left, top, width, height })
        writeBlock(bits, block, previous[index] ?? 0)
        previous[index] = block[0] ?? 0
      }
    }
  }
  return bits.end()
}

/**
 * The coefficients of one block in zigzag order (A.3.3); beyond the edge, the last pixel goes on.
 */
function quantized(
  plane: Float32Array,
  { left, top, width, height }: { left: number; top: number; width: number; height: number },
): number[] {
  for (let at = 0; at < 64; at += 1) {
    const [x, y] = [Math.min(left + (at & 7), width - 1), Math.min(top + (at >> 3), height - 1)]
    samples[at] = plane[y * width + x] ?? 0
  }
  transformRows(samples, rows)
  transformRows(rows, samples)
  return zigzag.map((at) => Math.round((samples[at] ?? 0) / (quantization[at] ?? 1)))
}

const samples = new Float64Array(64)
const rows = new Float64Array(64)

/** The transform of each row, as a column: twice, it is the one of the block. */
function transformRows(from: Float64Array, into: Float64Array): void {
  for (let row = 0; row < 8; row += 1) {
    for (let frequency = 0; frequency < 8; frequency += 1) {
      let sum = 0
      for (let x = 0; x < 8; x += 1) sum += (from[row * 8 + x] ?? 0) * (cosines[frequency * 8 + x] ?? 0)
      into[frequency * 8 + row] = sum
    }
  }
}

function writeBlock(bits: JpegBits, block: readonly number[], previous: number): void {
  const difference = (block[0] ?? 0) - previous
  bits.write(sizeOf(difference), dcBits)
  bits.write(magnitude(difference), sizeOf(difference))
  const last = block.findLastIndex((value) => value !== 0)
  let zeros = 0
  for (const value of block.slice(1, Math.max(1, last + 1))) {
    if (value === 0) {
      zeros += 1
      continue
    }
    for (; zeros > 15; zeros -= 16) bits.write(acCodes.get(0xf0) ?? 0, acBits)
    bits.write(acCodes.get((zeros << 4) | sizeOf(value)) ?? 0, acBits)
    bits.write(magnitude(value), sizeOf(value))
    zeros = 0
  }
  if (last < 63) bits.write(acCodes.get(0x00) ?? 0, acBits)
}
