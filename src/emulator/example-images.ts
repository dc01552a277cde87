/** Native pixels of an example study, frame by frame. */
export interface ExampleImage {
  readonly rows: number
  readonly columns: number
  readonly photometric: 'MONOCHROME1' | 'MONOCHROME2' | 'RGB' | 'YBR_FULL'
  readonly samples: 1 | 3
  /** 8, or up to 16 in little-endian words. */
  readonly bits: number
  readonly frames: readonly Buffer[]
}

/** Of a pixel, from -1 at the left and at the top to 1. */
interface Place {
  readonly x: number
  readonly y: number
  /** Counts pixels, for what shall look like noise. */
  readonly at: number
}

type Color = readonly [number, number, number]

/** A skull with a brain and two ventricles, in Hounsfield units plus 1024. */
export function headSlice(slice: number, slices: number): ExampleImage {
  const height = 1 - Math.abs((2 * slice) / (slices - 1) - 1) * 0.55
  return gray(128, 12, ({ x, y, at }) => {
    const skull = ellipse(x, y, { width: 0.72 * height, height: 0.92 * height })
    if (skull > 1) return 24 + speckle(at + slice * 131, 15)
    if (skull > 0.86) return 1024 + 900
    const ventricle = Math.min(
      ellipse(x - 0.13, y + 0.05, { width: 0.1, height: 0.3 * height }),
      ellipse(x + 0.13, y + 0.05, { width: 0.1, height: 0.3 * height }),
    )
    return 1024 + (ventricle < 1 ? 8 : 36) + speckle(at + slice * 131, 7)
  })
}

/** Rings of tissue: bright fat, darker muscle, a spine. */
export function abdomenSlice(slice: number): ExampleImage {
  return gray(128, 12, ({ x, y, at }) => {
    const body = ellipse(x, y, { width: 0.9, height: 0.68 })
    if (body > 1) return speckle(at, 3)
    if (body > 0.8) return 1500 + speckle(at, 31)
    if (ellipse(x, y - 0.4, { width: 0.14, height: 0.14 }) < 1) return 950
    const liver = ellipse(x + 0.3, y + 0.08, { width: 0.42 - slice * 0.02, height: 0.34 })
    return (liver < 1 ? 760 : 460) + speckle(at + slice * 17, 31)
  })
}

/** Two dark lungs between ribs, as a MONOCHROME1 detector stores them: bright where X-rays passed. */
export function chest(): ExampleImage {
  const image = gray(128, 12, ({ x, y }) => {
    const body = ellipse(x, y - 0.25, { width: 0.95, height: 1.2 })
    if (body > 1) return 3900
    const lung = Math.min(
      ellipse(x - 0.42, y, { width: 0.32, height: 0.7 }),
      ellipse(x + 0.42, y, { width: 0.32, height: 0.7 }),
    )
    const rib = Math.floor((y + 1) * 32 + x * x * 10) % 8 < 2 ? 350 : 0
    const spine = Math.abs(x) < 0.07 ? 500 : 0
    return (lung < 1 ? 2900 - Math.floor(500 * lung) : 1500) - rib - spine
  })
  return { ...image, photometric: 'MONOCHROME1' }
}

/** Smooth, so that it compresses to a few KiB: a breast with a small bright spot. */
export function breast(): ExampleImage {
  return gray(96, 12, ({ x, y }) => {
    const breast = ellipse(x + 1, y, { width: 1.5, height: 0.85 })
    if (breast > 1) return 0
    const spot = ellipse(x + 0.35, y - 0.2, { width: 0.06, height: 0.06 }) < 1 ? 900 : 0
    return 700 + Math.floor(1400 * (1 - breast)) + spot
  })
}

/** Smooth as well: a knee of two bones with a gap. */
export function knee(): ExampleImage {
  return gray(96, 12, ({ x, y }) => {
    if (Math.abs(x) > 0.75) return 0
    const joint = Math.abs(y) < 0.06
    const bone = Math.abs(x) < 0.42 + 0.12 * (1 - Math.min(1, Math.abs(y) * 2))
    if (bone && !joint) return 1300 + Math.floor(300 * (1 - Math.abs(x)))
    return joint && bone ? 250 : 600 + Math.floor(200 * Math.abs(y))
  })
}

/** A vessel that fills with contrast medium from frame to frame. */
export function vessel(frames: number): ExampleImage {
  const images = Array.from({ length: frames }, (_, frame) =>
    gray(128, 8, ({ x, y, at }) => {
      const center = 0.35 * y * (1 - y * y) * 2
      const filled = y < (2.4 * frame) / (frames - 1) - 1.2
      const branch = Math.abs(x - 0.5 * (y - 0.1)) < 0.04 && y > 0.1
      const isVessel = Math.abs(x - center) < 0.07 || branch
      return 150 + speckle(at + frame * 97, 15) - (isVessel && filled ? 100 : 0)
    }),
  )
  return joined(images)
}

/** A fan of speckles with a valve that opens and closes, and a coloured jet. */
export function beatingHeart(frames: number): ExampleImage {
  const images = Array.from({ length: frames }, (_, frame) => {
    const phase = Math.abs((2 * frame) / frames - 1)
    return colored(96, 'RGB', ({ x, y, at }) => {
      const depth = (y + 1) / 2
      if (Math.abs(x) > depth * 0.85 || x * x + (y + 1) * (y + 1) > 3.6) return [0, 0, 0]
      const chamber = ellipse(x, y - 0.2, { width: 0.25 + 0.12 * phase, height: 0.4 + 0.08 * phase })
      if (chamber < 0.35 && phase < 0.6) return x < 0 ? [200, 40, 30] : [40, 70, 210]
      const echo = chamber < 1 ? speckle(at + frame * 61, 15) : 60 + speckle(at + frame * 61, 127)
      return [echo, echo, echo]
    })
  })
  return joined(images)
}

/** A hot spot in a cold body, of few pixels, as gamma cameras count them. */
export function hotSpots(frames: number): ExampleImage {
  const images = Array.from({ length: frames }, (_, frame) =>
    gray(64, 16, ({ x, y, at }) => {
      const body = ellipse(x, y, { width: 0.5, height: 0.95 })
      const spot = ellipse(x - 0.15, y + 0.3, { width: 0.1, height: 0.1 })
      if (spot < 1) return Math.floor(12_000 * (1 - spot) * (1 + frame / frames))
      return body < 1 ? 900 + speckle(at + frame * 31, 511) : speckle(at, 63)
    }),
  )
  return joined(images)
}

/** An orange disc with darker vessels. */
export function eyeGround(): ExampleImage {
  return colored(96, 'RGB', ({ x, y }) => {
    const radius = Math.sqrt(x * x + y * y)
    if (radius > 0.95) return [0, 0, 0]
    if (ellipse(x - 0.45, y, { width: 0.14, height: 0.16 }) < 1) return [250, 220, 140]
    const isVessel = Math.abs(Math.abs(y) - 0.25 * Math.sqrt(Math.abs(0.45 - x))) < 0.02
    return isVessel ? [140, 30, 20] : [215 - Math.floor(60 * radius), 105 - Math.floor(40 * radius), 45]
  })
}

/** A pink wall that leads into the dark. */
export function endoscopy(): ExampleImage {
  return colored(128, 'RGB', ({ x, y }) => {
    const radius = Math.sqrt((x - 0.1) * (x - 0.1) + y * y)
    const light = Math.max(0, Math.min(1, radius * 1.1))
    const fold = Math.floor(radius * 20) % 5 === 0 ? 0.85 : 1
    return [Math.floor(225 * light * fold), Math.floor(115 * light * fold), Math.floor(105 * light * fold)]
  })
}

/** Three bars, as a test of colours that are luminance and chrominance. */
export function colorBars(): ExampleImage {
  const bars: readonly Color[] = [
    [76, 85, 255],
    [150, 44, 21],
    [29, 255, 107],
    [226, 0, 149],
  ]
  return colored(64, 'YBR_FULL', ({ x }) => bars[Math.min(3, Math.floor((x + 1) * 2))] ?? [0, 128, 128])
}

/** Below 1 within. */
function ellipse(x: number, y: number, { width, height }: { width: number; height: number }): number {
  return (x * x) / (width * width) + (y * y) / (height * height)
}

function speckle(at: number, mask: number): number {
  const mixed = Math.imul(at ^ (at >>> 7), 0x9e3779b1)
  return ((mixed >>> 15) ^ (mixed >>> 3)) & mask
}

function* places(side: number): Generator<Place> {
  for (let at = 0; at < side * side; at += 1) {
    yield { x: (2 * (at % side)) / side - 1, y: (2 * Math.floor(at / side)) / side - 1, at }
  }
}

function gray(side: number, bits: number, value: (place: Place) => number): ExampleImage {
  const pixels = Buffer.alloc(side * side * (bits > 8 ? 2 : 1))
  for (const place of places(side)) {
    if (bits > 8) pixels.writeUInt16LE(value(place), place.at * 2)
    else pixels.writeUInt8(value(place), place.at)
  }
  return { rows: side, columns: side, photometric: 'MONOCHROME2', samples: 1, bits, frames: [pixels] }
}

function colored(side: number, photometric: 'RGB' | 'YBR_FULL', color: (place: Place) => Color): ExampleImage {
  const pixels = Buffer.alloc(side * side * 3)
  for (const place of places(side)) pixels.set(color(place), place.at * 3)
  return { rows: side, columns: side, photometric, samples: 3, bits: 8, frames: [pixels] }
}

function joined(images: readonly ExampleImage[]): ExampleImage {
  const [first] = images
  if (!first) throw new RangeError('An image has one frame at least')
  return { ...first, frames: images.flatMap(({ frames }) => frames) }
}
