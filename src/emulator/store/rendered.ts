import { type DataSet, numberOf, textOf } from '../dicom/dicom-json.ts'
import type { Range } from '../dicom/frames.ts'
import type { Image } from '../dicom/image.ts'
import { nativeFrame } from '../dicom/native-frame.ts'
import { bigEndian } from '../dicom/part10.ts'
import type { Instance } from './dicom-store.ts'

/**
 * One frame as an image; undefined for a pixel format that is not grayscale or 8 bit colour
 * by pixel.
 */
export function renderedFrame(instance: Instance, range: Range): Image | undefined {
  const { dataSet, transferSyntax } = instance
  const width = numberOf(dataSet, '00280011')
  const height = numberOf(dataSet, '00280010')
  if (!(width && width > 0) || !(height && height > 0)) return undefined
  const pixels = nativeFrame(instance, range)
  // A file may claim any size: an image has all of its pixels.
  if (!(width * height <= pixels.length)) return undefined
  const channels = numberOf(dataSet, '00280002') ?? 1
  const bits = numberOf(dataSet, '00280100') ?? 8
  if (channels === 3 && bits === 8 && !numberOf(dataSet, '00280006')) return { width, height, channels, pixels }
  if (channels !== 1 || (bits !== 8 && bits !== 16)) return undefined
  const ordered = transferSyntax === bigEndian && bits === 16 ? evenBytes(pixels).swap16() : pixels
  return { width, height, channels, pixels: grayscale(samples(ordered, bits, dataSet), dataSet) }
}

function evenBytes(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.length - (bytes.length % 2))
}

function samples(pixels: Buffer, bits: number, dataSet: DataSet): ArrayLike<number> {
  if (bits === 8) return pixels
  const signed = numberOf(dataSet, '00280103') === 1
  return Array.from({ length: pixels.length >> 1 }, (_, index) =>
    signed ? pixels.readInt16LE(index * 2) : pixels.readUInt16LE(index * 2),
  )
}

/**
 * The linear VOI function (PS3.3, C.11.2.1.2) over the file's window, or over the range of values
 * that occur.
 */
function grayscale(values: ArrayLike<number>, dataSet: DataSet): Buffer {
  const slope = numberOf(dataSet, '00281053') ?? 1
  const intercept = numberOf(dataSet, '00281052') ?? 0
  const [low, high] = window(values, dataSet, slope, intercept)
  const inverted = textOf(dataSet, '00280004') === 'MONOCHROME1'
  const gray = Buffer.allocUnsafe(values.length)
  for (let index = 0; index < values.length; index += 1) {
    const value = (values[index] ?? 0) * slope + intercept
    const shade = Math.round((255 * (value - low)) / (high - low || 1))
    const clamped = Math.max(0, Math.min(255, shade))
    gray[index] = inverted ? 255 - clamped : clamped
  }
  return gray
}

function window(values: ArrayLike<number>, dataSet: DataSet, slope: number, intercept: number): [number, number] {
  const center = numberOf(dataSet, '00281050')
  const width = numberOf(dataSet, '00281051')
  if (center !== undefined && width !== undefined) return [center - width / 2, center + width / 2]
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (let index = 0; index < values.length; index += 1) {
    const value = (values[index] ?? 0) * slope + intercept
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return [low, high]
}
