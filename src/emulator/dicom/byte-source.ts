import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** Random access to a DICOM file's bytes. */
export interface ByteSource {
  readonly size: number
  /** May be shorter at the end. The buffer is only valid until the next call. */
  read(offset: number, length: number): Buffer
}

/**
 * Bytes are read in blocks of this size, so that a data set with thousands of small elements needs
 * few reads.
 */
const block = 8 * 1024

/**
 * A file, read synchronously: a parser of nested structures is far simpler so, and what it reads
 * was written a moment ago. Large values are skipped, so that a file of any size takes one block of
 * memory.
 */
export function withFile<T>(path: string, use: (source: ByteSource) => T): T {
  const descriptor = openSync(path, 'r')
  try {
    return use(fileSource(descriptor))
  } finally {
    closeSync(descriptor)
  }
}

function fileSource(descriptor: number): ByteSource {
  const { size } = fstatSync(descriptor)
  const held = Buffer.allocUnsafe(Math.min(block, size))
  let start = 0
  let end = 0
  function read(offset: number, length: number): Buffer {
    if (length > held.length)
      return readFrom(descriptor, Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset))), offset)
    if (offset < start || offset + length > end) {
      start = offset
      end = offset + readFrom(descriptor, held, offset).length
    }
    return held.subarray(offset - start, Math.min(offset - start + length, end - start))
  }
  return { size, read }
}

function readFrom(descriptor: number, buffer: Buffer, offset: number): Buffer {
  return buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, offset))
}
