import { withFile } from './byte-source.ts'
import { type DataSet, numberOf } from './dicom-json.ts'
import type { Range } from './frames.ts'
import { decodeRle } from './rle.ts'

/** The only compressed transfer syntax that is decompressed here; Google knows more. */
export const rle = '1.2.840.10008.1.2.5'

/** What a frame is read from: the instance's file, inflated, and what was read from it. */
export interface FrameSource {
  readonly plainFile: string
  readonly transferSyntax: string
  readonly dataSet: DataSet
}

/** The pixels of a frame; those of RLE are decompressed. */
export function nativeFrame({ plainFile, transferSyntax, dataSet }: FrameSource, range: Range): Buffer {
  const bytes = withFile(plainFile, (source) =>
    Buffer.concat(range.map(({ offset, length }) => Buffer.from(source.read(offset, length)))),
  )
  if (transferSyntax !== rle) return bytes
  return decodeRle(bytes, {
    pixels: (numberOf(dataSet, '00280010') ?? 0) * (numberOf(dataSet, '00280011') ?? 0),
    samples: numberOf(dataSet, '00280002') ?? 1,
    bytes: (numberOf(dataSet, '00280100') ?? 8) / 8,
  })
}
