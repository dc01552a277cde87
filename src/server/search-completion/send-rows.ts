import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip } from 'node:zlib'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import type { Inbound } from '../../downstream/inbound.ts'
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
    const counted = async function* (source: AsyncIterable<Buffer>) {
      for await (const piece of source) {
        progress.sent += piece.length
        yield piece
      }
    }
    const source = Readable.from(pieces)
    // Ends with an error if the client leaves: its outcome says so.
    const sent = isCompressed
      ? pipeline(source, createGzip({ level: constants.Z_BEST_SPEED }), counted, response)
      : pipeline(source, counted, response)
    await sent.catch(() => {})
  }
  if (!response.closed) await once(response, 'close')
  return response.writableFinished ? { kind: 'completed', status: 200 } : { ...clientGoneOutcome, status: 200 }
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
