import { fitted, type Image, type Viewport } from '../dicom/image.ts'
import { encodeJpeg } from '../dicom/jpeg.ts'
import { encodePng } from '../dicom/png.ts'
import { GoogleError } from '../google-error.ts'
import type { EmulatorResponse } from '../response.ts'
import { covers, coversMultipart, type MediaType } from './media-type.ts'
import { multipartResponse } from './multipart-writer.ts'
import { isSystemParameter } from './search-query.ts'

type Encoder = (image: Image) => Buffer

/** JPEG where both would do: it is the default (conformance statement, "Rendered resources"). */
const encoders: readonly (readonly [type: string, encode: Encoder])[] = [
  ['image/jpeg', encodeJpeg],
  ['image/png', encodePng],
]

/** A JPEG can't be larger, in either direction. */
const maxSide = 0xffff

/** The images as they are asked for: one alone, several in parts. */
export function renderedResponse(
  images: readonly Image[],
  query: URLSearchParams,
  accept: readonly MediaType[],
): EmulatorResponse {
  const viewport = parseViewport(query)
  const [type, encode] = encoderFor(accept, images.length)
  const bodies = images.map((image) => encode(viewport ? fitted(image, viewport) : image))
  const [only] = bodies
  if (only && bodies.length === 1) return { status: 200, headers: { 'content-type': type }, body: only }
  return multipartResponse(
    type,
    bodies.map((body) => ({ type, body })),
  )
}

function encoderFor(accept: readonly MediaType[], count: number): (typeof encoders)[number] {
  for (const range of accept) {
    const found = encoders.find(([type]) => covers(range, type) || (count > 1 && coversMultipart(range, type)))
    if (found) return found
  }
  throw new GoogleError(406, `unsupported Accept header: ${accept.map(({ type }) => type).join(', ')}`)
}

/**
 * `width,height` or `width,height,x,y,width,height`, in whole pixels; no other parameter is
 * supported.
 */
export function parseViewport(query: URLSearchParams): Viewport | undefined {
  for (const name of query.keys()) {
    if (name !== 'viewport' && !isSystemParameter(name)) throw new GoogleError(400, `unsupported parameter: ${name}`)
  }
  const text = query.get('viewport')
  if (text === null) return undefined
  const numbers = text.split(',').map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : Number.NaN))
  const [width = 0, height = 0, x = 0, y = 0, sourceWidth = 1, sourceHeight = 1] = numbers
  const isValid = numbers.length === 2 || numbers.length === 6
  if (
    !isValid ||
    numbers.some(Number.isNaN) ||
    Math.min(width, height, sourceWidth, sourceHeight) < 1 ||
    Math.max(width, height) > maxSide
  ) {
    throw new GoogleError(400, `invalid viewport: ${text}; two or six whole numbers are expected`)
  }
  const size = { width, height }
  return numbers.length === 2 ? size : { ...size, source: { x, y, width: sourceWidth, height: sourceHeight } }
}
