import { test } from 'tap'
import type { Image } from '../../src/emulator/dicom/image.ts'
import { encodeJpeg } from '../../src/emulator/dicom/jpeg.ts'

/** Figure A.6, written down. */
const zigzag = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
  55, 62, 63,
]

test('a JPEG shows what was encoded', async (t) => {
  for (const [width, height, channels] of [
    [8, 8, 1],
    [21, 13, 1],
    [17, 9, 3],
  ] as const) {
    const image: Image = { width, height, channels, pixels: pattern(width, height, channels) }
    const shown = decode(encodeJpeg(image))
    t.same([shown.width, shown.height, shown.channels], [width, height, channels])
    const errors = Array.from(image.pixels, (value, at) => Math.abs(value - (shown.pixels[at] ?? 0)))
    t.ok(Math.max(...errors) <= 8, `off by ${Math.max(...errors)} of 255 at most`)
  }
})

/** Slopes, and an edge. */
function pattern(width: number, height: number, channels: number): Buffer {
  const pixels = Buffer.alloc(width * height * channels)
  for (let at = 0; at < pixels.length; at += 1) {
    const [x, y] = [Math.floor(at / channels) % width, Math.floor(at / channels / width)]
    pixels[at] = at % channels === 0 ? (255 * x) / width : at % channels === 1 ? (255 * y) / height : x > 8 ? 200 : 20
  }
  return pixels
}

/** As ITU-T T.81 says, slowly, and for one quantization table and no subsampling. */
function decode(bytes: Buffer): Image {
  const segments = segmentsOf(bytes)
  const [, ...quantization] = segments.get(0xdb)?.[0] ?? []
  const frame = Buffer.from(segments.get(0xc0)?.[0] ?? [])
  const [height, width, channels] = [frame.readUInt16BE(1), frame.readUInt16BE(3), frame.readUInt8(5) as 1 | 3]
  const tables = (segments.get(0xc4) ?? []).map(codesOf)
  const bits = bitsOf(bytes.subarray(segments.get(0xda)?.[0]?.[0] ?? 0))
  const planes = Array.from({ length: channels }, () => new Float64Array(width * height))
  const last = planes.map(() => 0)
  for (let top = 0; top < height; top += 8) {
    for (let left = 0; left < width; left += 8) {
      for (const [index, plane] of planes.entries()) {
        const coefficients = blockOf(bits, tables, last[index] ?? 0)
        last[index] = coefficients[0] ?? 0
        const block = coefficients.map((value, at) => value * (quantization[at] ?? 0))
        for (let at = 0; at < 64; at += 1) {
          const [x, y] = [at & 7, at >> 3]
          if (left + x < width && top + y < height) plane[(top + y) * width + left + x] = sample(block, x, y) + 128
        }
      }
    }
  }
  return { width, height, channels, pixels: pixelsOf(planes) }
}

/** Contents by marker; of the scan, where its data begin. */
function segmentsOf(bytes: Buffer): Map<number, number[][]> {
  const segments = new Map<number, number[][]>()
  for (let at = 2; ; ) {
    const [marker, length] = [bytes.readUInt8(at + 1), bytes.readUInt16BE(at + 2)]
    const content = marker === 0xda ? [at + 2 + length] : [...bytes.subarray(at + 4, at + 2 + length)]
    segments.set(marker, [...(segments.get(marker) ?? []), content])
    if (marker === 0xda) return segments
    at += 2 + length
  }
}

/** `length:code` -> symbol (C.2). */
function codesOf([, ...content]: number[]): Map<string, number> {
  const symbols = content.slice(16)
  const codes = new Map<string, number>()
  let code = 0
  for (const [index, count] of content.slice(0, 16).entries()) {
    for (let n = 0; n < count; n += 1) codes.set(`${index + 1}:${code++}`, symbols.shift() ?? 0)
    code <<= 1
  }
  return codes
}

function* bitsOf(bytes: Buffer): Generator<number, number> {
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes.readUInt8(at)
    if (byte === 0xff) at += 1
    for (let bit = 7; bit >= 0; bit -= 1) yield (byte >> bit) & 1
  }
  return 0
}

function symbolOf(bits: Generator<number, number>, codes: Map<string, number>): number {
  let code = 0
  for (let length = 1; length <= 16; length += 1) {
    code = (code << 1) | bits.next().value
    const symbol = codes.get(`${length}:${code}`)
    if (symbol !== undefined) return symbol
  }
  throw new Error('no such code')
}

function signedValue(bits: Generator<number, number>, size: number): number {
  let value = 0
  for (let n = 0; n < size; n += 1) value = (value << 1) | bits.next().value
  return size > 0 && value < 1 << (size - 1) ? value - (1 << size) + 1 : value
}

function blockOf(bits: Generator<number, number>, [dc, ac]: Map<string, number>[], previous: number): number[] {
  if (!dc || !ac) throw new Error('two tables are needed')
  const block = Array.from({ length: 64 }, () => 0)
  block[0] = previous + signedValue(bits, symbolOf(bits, dc))
  for (let at = 1; at < 64; at += 1) {
    const symbol = symbolOf(bits, ac)
    if (symbol === 0) break
    at += symbol >> 4
    block[at] = signedValue(bits, symbol & 15)
  }
  return block
}

/** A.3.3, for one pixel. */
function sample(block: readonly number[], x: number, y: number): number {
  const weight = (frequency: number) => (frequency === 0 ? Math.SQRT1_2 : 1)
  const wave = (position: number, frequency: number) => Math.cos(((2 * position + 1) * frequency * Math.PI) / 16)
  return block.reduce((sum, value, order) => {
    const [u, v] = [(zigzag[order] ?? 0) & 7, (zigzag[order] ?? 0) >> 3]
    return sum + (weight(u) * weight(v) * value * wave(x, u) * wave(y, v)) / 4
  }, 0)
}

function pixelsOf(planes: readonly Float64Array[]): Buffer {
  const [luminance = new Float64Array(), blue, red] = planes
  const shown = Array.from(luminance, (y, at) => {
    if (!blue || !red) return [y]
    const [b, r] = [(blue[at] ?? 0) - 128, (red[at] ?? 0) - 128]
    return [y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b]
  })
  return Buffer.from(shown.flat().map((value) => Math.max(0, Math.min(255, Math.round(value)))))
}
