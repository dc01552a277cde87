/** One DICOM file of a STOW-RS body: held whole, or made while it is sent. */
export type StowPart = { readonly bytes: Buffer } | { readonly length: number; chunks(): Iterable<Buffer> }

export interface StowBody {
  readonly contentType: string
  /** In bytes; null when the parts came from a generator, whose sum nobody knows ahead. */
  readonly contentLength: number | null
  readonly chunks: Generator<Buffer>
}

const CLOSING_DASHES = 2

/**
 * A STOW-RS body byte for byte as Orthanc's DICOMweb plugin writes it: no preamble, and no CRLF
 * after the closing boundary.
 */
export function multipart(parts: Iterable<StowPart>, boundary: string): StowBody {
  return {
    // The type quoted and the boundary not, as Orthanc does.
    contentType: `multipart/related; type="application/dicom"; boundary=${boundary}`,
    contentLength: Array.isArray(parts) ? totalLength(parts, boundary) : null,
    chunks: multipartChunks(parts, boundary),
  }
}

function* multipartChunks(parts: Iterable<StowPart>, boundary: string): Generator<Buffer> {
  for (const part of parts) {
    yield partHead(part, boundary)
    if ('bytes' in part) yield part.bytes
    else yield* part.chunks()
    yield Buffer.from('\r\n')
  }
  yield Buffer.from(`--${boundary}--`)
}

function partHead(part: StowPart, boundary: string): Buffer {
  return Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\nContent-Length: ${lengthOf(part)}\r\n\r\n`)
}

function totalLength(parts: readonly StowPart[], boundary: string): number {
  const closing = Buffer.byteLength(`--${boundary}`) + CLOSING_DASHES
  return parts.reduce((sum, part) => sum + partHead(part, boundary).length + lengthOf(part) + 2, closing)
}

function lengthOf(part: StowPart): number {
  return 'bytes' in part ? part.bytes.length : part.length
}
