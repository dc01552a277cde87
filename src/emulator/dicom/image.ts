/** 8 bit samples row by row, of one channel or three. */
export interface Image {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3
  readonly pixels: Buffer
}

/** A part of an image, and the size that it is to fit into. */
export interface Viewport {
  readonly width: number
  readonly height: number
  readonly source?: { readonly x: number; readonly y: number; readonly width: number; readonly height: number }
}

/** The part that is asked for, scaled to fit; each pixel is the nearest one (PS3.18, 8.3.5.1.3). */
export function fitted(image: Image, viewport: Viewport): Image {
  const source = within(image, viewport.source ?? { x: 0, y: 0, ...image })
  const scale = Math.min(viewport.width / source.width, viewport.height / source.height)
  const width = Math.max(1, Math.round(source.width * scale))
  const height = Math.max(1, Math.round(source.height * scale))
  const pixels = Buffer.allocUnsafe(width * height * image.channels)
  let at = 0
  for (let y = 0; y < height; y += 1) {
    const row = source.y + Math.floor((y * source.height) / height)
    for (let x = 0; x < width; x += 1) {
      const from = (row * image.width + source.x + Math.floor((x * source.width) / width)) * image.channels
      for (let channel = 0; channel < image.channels; channel += 1) pixels[at++] = image.pixels[from + channel] ?? 0
    }
  }
  return { width, height, channels: image.channels, pixels }
}

function within(image: Image, { x, y, width, height }: NonNullable<Viewport['source']>) {
  const [left, top] = [Math.min(x, image.width - 1), Math.min(y, image.height - 1)]
  return { x: left, y: top, width: Math.min(width, image.width - left), height: Math.min(height, image.height - top) }
}
