import { encodeJpeg } from './dicom/jpeg.ts'
import { encodeJpegLossless } from './dicom/jpeg-lossless.ts'
import { explicitLittleEndian } from './dicom/part10.ts'
import { encodeRle } from './dicom/rle-encoder.ts'
import type { ExampleImage } from './example-images.ts'
import { elementHeader } from './synthetic-dataset.ts'

const pixelData = 0x7fe00010
const undefinedLength = 0xffffffff

/** How the frames of an image are stored. JPEG-LS and JPEG 2000 come encoded. */
export interface Encoding {
  readonly transferSyntax: string
  /** Of what encodes to less than it was. */
  readonly isLossy?: boolean
  readonly encode?: (frame: Buffer, image: ExampleImage) => Buffer
}

export const native: Encoding = { transferSyntax: explicitLittleEndian }

export const rle: Encoding = {
  transferSyntax: '1.2.840.10008.1.2.5',
  encode: (frame, { rows, columns, samples, bits }) =>
    encodeRle(frame, columns, { pixels: rows * columns, samples, bytes: bits > 8 ? 2 : 1 }),
}

export const jpegLossless: Encoding = {
  transferSyntax: '1.2.840.10008.1.2.4.70',
  encode: (pixels, { rows, columns, bits }) => encodeJpegLossless({ rows, columns, bits, pixels }),
}

/** Of RGB; what it holds is YBR_FULL. */
export const jpegBaseline: Encoding = {
  transferSyntax: '1.2.840.10008.1.2.4.50',
  isLossy: true,
  encode: (pixels, { rows, columns }) => encodeJpeg({ width: columns, height: rows, channels: 3, pixels }),
}

export function jpegLs(encoded: Buffer): Encoding {
  return { transferSyntax: '1.2.840.10008.1.2.4.80', encode: () => encoded }
}

export function jpeg2000(encoded: Buffer): Encoding {
  return { transferSyntax: '1.2.840.10008.1.2.4.90', encode: () => encoded }
}

/** The element with the pixel data, which is the last one of a file. */
export function pixelElement(image: ExampleImage, { encode }: Encoding): Buffer {
  if (!encode) {
    const bytes = Buffer.concat(image.frames)
    return Buffer.concat([elementHeader(pixelData, image.bits > 8 ? 'OW' : 'OB', bytes.length), bytes])
  }
  const fragments = image.frames.map((frame) => fragment(encode(frame, image)))
  const offsets = Buffer.alloc(fragments.length * 4)
  let offset = 0
  for (const [index, { length }] of fragments.entries()) {
    offsets.writeUInt32LE(offset, index * 4)
    offset += length
  }
  const delimiter = Buffer.from('feffdde000000000', 'hex')
  return Buffer.concat([elementHeader(pixelData, 'OB', undefinedLength), fragment(offsets), ...fragments, delimiter])
}

/** An item of even length (PS3.5, A.4). */
function fragment(bytes: Buffer): Buffer {
  const padding = bytes.length % 2
  const header = Buffer.from('feff00e000000000', 'hex')
  header.writeUInt32LE(bytes.length + padding, 4)
  return Buffer.concat([header, bytes, Buffer.alloc(padding)])
}
