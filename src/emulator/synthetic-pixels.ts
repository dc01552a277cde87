/** Which frame of a study to draw; numbers count from 1, `frame` from 0. */
export interface PhantomFrame {
  readonly rows: number
  readonly columns: number
  readonly series: number
  readonly instance: number
  readonly frame: number
  readonly seed: number
}

const BACKGROUND = 24
const BODY = 1060
const NOISE = 0x3f

/**
 * A bright disc that grows from slice to slice, with noise: 12 bits in 16-bit little-endian words,
 * as a CT stores them.
 */
export function phantomFrame(position: PhantomFrame): Buffer {
  const { rows, columns, series, instance, frame, seed } = position
  const random = randomNumbers(seed * 1_000_003 + series * 10_007 + instance * 101 + frame)
  const radius = 0.35 + 0.6 * (((instance + frame) % 20) / 20)
  const pixels = Buffer.allocUnsafe(rows * columns * 2)
  let offset = 0
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [x, y] = [(2 * column) / columns - 1, (2 * row) / rows - 1]
      // Not Math.hypot, whose last digits differ between engines.
      const distance = Math.sqrt(x * x + y * y) / radius
      const signal = distance < 1 ? BODY + Math.round(1500 * (1 - distance)) : BACKGROUND
      offset = pixels.writeUInt16LE(signal + (random() & NOISE), offset)
    }
  }
  return pixels
}

/** `length` bytes (even) of noise in words of 12 bits. */
export function frameNoise(length: number, seed: number): Buffer {
  const random = randomNumbers(seed)
  const noise = Buffer.allocUnsafe(length)
  for (let offset = 0; offset < length; offset += 2) noise.writeUInt16LE(random() & 0xfff, offset)
  return noise
}

// mulberry32: 32 bits of state, integer operations only, so the same on every machine.
function randomNumbers(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}
