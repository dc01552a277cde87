import { pipeline, Readable } from 'node:stream'
import { constants, createGzip } from 'node:zlib'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import type { Inbound, InboundResponse } from '../../downstream/inbound.ts'
import { lingerWhileSending } from '../../downstream/lingering-close.ts'
import { enforceMinReadRate } from '../../downstream/min-rate.ts'
import { acceptsGzip } from '../../forward/accepted-types.ts'
import type { Outcome, Progress } from '../../forward/exchange.ts'
import { clientHeaders } from '../../forward/response-rewriting.ts'
import { type UrlReplacement, UrlRewriter } from '../../forward/url-rewriter.ts'
import { clientGoneOutcome } from '../send-buffered.ts'

/** Bytes that are written at once. */
const pieceBytes = 64 * 1024
const none = Buffer.alloc(0)
/** Smaller bodies gain nothing. */
const minCompressedBytes = 1024

interface Sending {
  readonly urls: UrlReplacement | null
  readonly timeouts: Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>
  readonly progress: Progress
  readonly isContended: () => boolean
}

/**
 * Sends rows in DICOM JSON to the client, as fast as it reads, with URLs that it can follow.
 *
 * @param rows are taken over: none stays in memory beside the body
 */
export async function sendRows(inbound: Inbound, rows: Buffer[], sending: Sending): Promise<Outcome> {
  const { request, response } = inbound
  const { urls, timeouts, progress, isContended } = sending
  if (response.destroyed) return clientGoneOutcome
  const pieces = piecesOf(rows, urls)
  const length = pieces.reduce((total, piece) => total + piece.length, 0)
  // A chunked body is none in HTTP/1.0, and would end with its connection.
  const isCompressed =
    acceptsGzip(request.headers['accept-encoding']) && request.httpVersion !== '1.0' && length >= minCompressedBytes
  const closed = new Promise<void>((resolve) => response.once('close', resolve))
  lingerWhileSending(response)
  response.writeHead(200, {
    ...clientHeaders({}, null),
    'content-type': 'application/dicom+json',
    vary: 'Origin, Accept, Accept-Encoding',
    ...(isCompressed ? { 'content-encoding': 'gzip' } : { 'content-length': length }),
  })
  if (request.method === 'HEAD') response.end()
  else {
    enforceMinReadRate(inbound, timeouts, isContended)
    for await (const piece of isCompressed ? compress(pieces) : pieces) {
      if (response.destroyed) break
      progress.sent += piece.length
      if (!response.write(piece)) await Promise.race([drained(response), closed])
    }
    if (!response.destroyed) response.end()
  }
  await closed
  return response.writableFinished ? { kind: 'completed', status: 200 } : { ...clientGoneOutcome, status: 200 }
}

function compress(pieces: Buffer[]): AsyncIterable<Buffer> {
  // An error means that nobody reads on.
  return pipeline(Readable.from(pieces), createGzip({ level: constants.Z_BEST_SPEED }), () => {})
}

function drained(response: InboundResponse): Promise<void> {
  return new Promise((resolve) => response.once('drain', resolve))
}

/** The body: an array (PS3.18 F.2), in pieces worth writing. */
function piecesOf(rows: Buffer[], urls: UrlReplacement | null): Buffer[] {
  const rewriter = urls && new UrlRewriter(urls)
  const pieces: Buffer[] = []
  let piece: Buffer[] = []
  let bytes = 0
  const add = (part: Buffer) => {
    const rewritten = rewriter ? rewriter.push(part) : part
    piece.push(rewritten)
    bytes += rewritten.length
    if (bytes >= pieceBytes) flush()
  }
  const flush = () => {
    if (piece.length > 0) pieces.push(Buffer.concat(piece))
    piece = []
    bytes = 0
  }
  rows.forEach((row, at) => {
    add(Buffer.from(at === 0 ? '[' : ','))
    add(row)
    rows[at] = none
  })
  add(Buffer.from(rows.length === 0 ? '[]' : ']'))
  flush()
  return pieces
}
