import { rle } from '../dicom/native-frame.ts'
import { bigEndian, deflated, explicitLittleEndian, implicitLittleEndian } from '../dicom/part10.ts'

export const octets = 'application/octet-stream'

/** Pixel data in little-endian byte order that are not compressed. */
export const nativePixels: ReadonlySet<string> = new Set([implicitLittleEndian, explicitLittleEndian, deflated])

/** Whether an image can be made of the pixel data: of those that are compressed, of RLE only. */
export function isDrawable(transferSyntax: string): boolean {
  return nativePixels.has(transferSyntax) || transferSyntax === bigEndian || transferSyntax === rle
}

const jpeg = 'image/jpeg'
const types: Readonly<Record<string, string>> = {
  '1.2.840.10008.1.2.4.50': jpeg,
  '1.2.840.10008.1.2.4.51': jpeg,
  '1.2.840.10008.1.2.4.57': jpeg,
  '1.2.840.10008.1.2.4.70': jpeg,
  '1.2.840.10008.1.2.4.80': 'image/jls',
  '1.2.840.10008.1.2.4.81': 'image/jls',
  '1.2.840.10008.1.2.4.90': 'image/jp2',
  '1.2.840.10008.1.2.4.91': 'image/jp2',
  '1.2.840.10008.1.2.4.110': 'image/jxl',
  '1.2.840.10008.1.2.4.112': 'image/jxl',
  '1.2.840.10008.1.2.4.201': 'image/jphc',
  '1.2.840.10008.1.2.4.202': 'image/jphc',
  '1.2.840.10008.1.2.4.203': 'image/jphc',
  [rle]: 'image/dicom-rle',
  '1.2.840.10008.1.2.8.1': 'application/x-deflate',
}

/** The media type of a frame that is stored so (conformance statement, "DICOM frames"). */
export function frameType(transferSyntax: string): string | undefined {
  return types[transferSyntax]
}
