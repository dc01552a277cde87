import type { ByteSource } from './byte-source.ts'
import { DataSetError, DataSetReader } from './data-set-reader.ts'
import { type DataSet, textOf } from './dicom-json.ts'

export const implicitLittleEndian = '1.2.840.10008.1.2'
export const explicitLittleEndian = '1.2.840.10008.1.2.1'
const deflated = '1.2.840.10008.1.2.1.99'
const bigEndian = '1.2.840.10008.1.2.2'

/** Where the file meta information begins: after the preamble and "DICM" (PS3.10, 7.1). */
const metaAt = 132

export interface DicomFile {
  readonly transferSyntax: string
  readonly dataSet: DataSet
}

/**
 * Reads a Part 10 file; throws DataSetError for what is none, and for the two retired syntaxes, as
 * Google does.
 */
export function readDicomFile(source: ByteSource): DicomFile {
  if (source.read(128, 4).toString('latin1') !== 'DICM') throw new DataSetError('Not a DICOM Part 10 file.')
  const meta: DataSet = {}
  // File meta information is in Explicit VR Little Endian always.
  const at = new DataSetReader(source, true).read(metaAt, source.size, meta, (tag) => !tag.startsWith('0002'))
  const transferSyntax = textOf(meta, '00020010')
  if (transferSyntax === '') throw new DataSetError('The file names no transfer syntax.')
  if (transferSyntax === deflated || transferSyntax === bigEndian)
    throw new DataSetError('Transfer syntax not supported.')
  const dataSet: DataSet = {}
  const reader = new DataSetReader(source, transferSyntax !== implicitLittleEndian)
  reader.read(at, source.size, dataSet, (tag) => tag === 'FFFCFFFC')
  return { transferSyntax, dataSet }
}
