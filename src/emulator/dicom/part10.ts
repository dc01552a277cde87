import { readFileSync, writeFileSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'
import type { ByteSource } from './byte-source.ts'
import { DataSetError, DataSetReader } from './data-set-reader.ts'
import { type DataSet, textOf } from './dicom-json.ts'

export const implicitLittleEndian = '1.2.840.10008.1.2'
export const explicitLittleEndian = '1.2.840.10008.1.2.1'
export const deflated = '1.2.840.10008.1.2.1.99'
export const bigEndian = '1.2.840.10008.1.2.2'

/** Where the file meta information begins: after the preamble and "DICM" (PS3.10, 7.1). */
const metaAt = 132
const maxInflatedBytes = 1024 * 1024 * 1024

export interface FileMeta {
  readonly meta: DataSet
  readonly transferSyntax: string
  /** Where the data set begins. */
  readonly dataSetAt: number
}

/**
 * The beginning of a Part 10 file, or of a bare data set in Implicit VR Little Endian, as older
 * programs wrote files; throws DataSetError for what is neither.
 */
export function readFileMeta(source: ByteSource): FileMeta {
  if (source.read(128, 4).toString('latin1') !== 'DICM') {
    if (!isBare(source)) throw new DataSetError('Not a DICOM Part 10 file.')
    return { meta: {}, transferSyntax: implicitLittleEndian, dataSetAt: 0 }
  }
  const meta: DataSet = {}
  // File meta information is in Explicit VR Little Endian always.
  const reader = new DataSetReader(source, { explicit: true, littleEndian: true })
  const dataSetAt = reader.read(metaAt, source.size, meta, (tag) => !tag.startsWith('0002'))
  const transferSyntax = textOf(meta, '00020010')
  if (transferSyntax === '') throw new DataSetError('The file names no transfer syntax.')
  return { meta, transferSyntax, dataSetAt }
}

/** Whether the first element is of group 0008, with a length that fits. */
function isBare(source: ByteSource): boolean {
  const bytes = source.read(0, 8)
  return bytes.length === 8 && bytes.readUInt16LE(0) === 0x0008 && bytes.readUInt32LE(4) <= source.size - 8
}

/** The data set after it, which no longer is deflated, with the file meta information. */
export function readDataSet(source: ByteSource, { meta, transferSyntax, dataSetAt }: FileMeta): DataSet {
  const dataSet: DataSet = { ...meta }
  const encoding = {
    explicit: transferSyntax !== implicitLittleEndian,
    littleEndian: transferSyntax !== bigEndian,
  }
  // Trailing padding ends it (PS3.10, 7.2).
  new DataSetReader(source, encoding).read(dataSetAt, source.size, dataSet, (tag) => tag === 'FFFCFFFC')
  return dataSet
}

/** Writes the file with its data set inflated (PS3.5, A.5). */
export function writeInflated(file: string, dataSetAt: number, into: string): void {
  const bytes = readFileSync(file)
  const inflated = inflate(bytes.subarray(dataSetAt))
  writeFileSync(into, Buffer.concat([bytes.subarray(0, dataSetAt), inflated]))
}

function inflate(bytes: Buffer): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: maxInflatedBytes })
  } catch (cause) {
    throw new DataSetError('The data set cannot be inflated.', { cause })
  }
}
