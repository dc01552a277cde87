import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Transform } from 'node:stream'
import { lingerWhileSending } from '../downstream/lingering-close.ts'
import { ProxyError } from '../errors.ts'
import { returnedHeaders } from '../guard/headers.ts'
import type { BufferedResponse, UpstreamHeaders } from './buffered-response.ts'
import type { Exchange } from './exchange.ts'
import { receivedStatus } from './proxy-status.ts'
import type { ResponseObserver } from './response-observer.ts'
import { namesResources, UrlRewriter } from './url-rewriter.ts'

/**
 * Begins the client's answer with the status and headers of Google's. Throws when they can't be sent.
 *
 * @param own headers of the proxy's own
 * @returns what rewrites the body's URLs, if that is asked for and the body has any
 */
export function beginResponse(
  { response, urls, attempt }: Pick<Exchange, 'response' | 'urls' | 'attempt'>,
  status: number,
  upstream: UpstreamHeaders,
  own: Readonly<Record<string, string>> = receivedStatus(status, attempt),
): UrlRewriter | null {
  if (!saysWhereItEnds(response, status, upstream)) throw endless()
  lingerWhileSending(response)
  const headers = returnedHeaders(upstream)
  const rewriter = urls && namesResources(headers) ? new UrlRewriter(urls) : null
  if (rewriter) delete headers['content-length']
  response.writeHead(status, Object.assign(headers, own))
  return rewriter
}

/**
 * Whether the answer has an end that can be told from a break (RFC 9112 6.3). One that just stops with its connection is
 * not to be trusted: both HTTP libraries take even a reset for its end.
 */
function saysWhereItEnds({ req }: ServerResponse, status: number, upstream: UpstreamHeaders): boolean {
  const isWithoutBody = req.method === 'HEAD' || status === 204 || status === 304
  return isWithoutBody || upstream['content-length'] !== undefined || isChunked(upstream['transfer-encoding'])
}

/** Any other coding ends with its connection, or would have to be undone here (RFC 9112 6.1, 6.3). */
function isChunked(coding: string | string[] | undefined): boolean {
  return String(coding).trim().toLowerCase() === 'chunked'
}

function endless(): ProxyError {
  const problem =
    'The response has neither Content-Length nor chunked encoding, so a truncated one could not be detected.'
  return new ProxyError('upstream-invalid', { problem, remedy: 'Check the outgoing proxy and BaseUrl.' })
}

/** Informational answers (RFC 9110 15.2) to one request; each starts the time limits anew, so they must have an end. */
export const maxInformational = 100

export function noFinalResponse(): ProxyError {
  const problem = 'There are too many informational responses, and no final one.'
  return new ProxyError('upstream-invalid', { problem, remedy: 'Check the outgoing proxy and BaseUrl.' })
}

/** Whether the exchange holds this answer back. One without a clear end is no answer, but of a 401 the status says it all. */
export function shouldBuffer({ response, shouldBuffer }: Exchange, status: number, upstream: UpstreamHeaders): boolean {
  return shouldBuffer(status) && (status === 401 || saysWhereItEnds(response, status, upstream))
}

/** Sends an answer that was held back, whole. Resolves with false if the client left before it had all of it. */
export async function writeBuffered(
  exchange: Pick<Exchange, 'response' | 'urls' | 'attempt'>,
  { status, headers, body }: BufferedResponse,
  own?: Readonly<Record<string, string>>,
): Promise<boolean> {
  const { response } = exchange
  const rewriter = beginResponse(exchange, status, headers, own)
  response.end(rewriter ? Buffer.concat([rewriter.push(body), rewriter.end()]) : body)
  await once(response, 'close')
  return response.writableFinished
}

/**
 * Who reads along, or nothing, as stages of a pipeline. No more than one chunk is read in a turn of the event loop: others have theirs in
 * between, for a store response of 60 MB takes more than a second.
 */
export function readingStages(reader: ResponseObserver | null): Transform[] {
  if (!reader) return []
  const stage = new Transform({
    transform(chunk, _encoding, done) {
      reader.push(chunk)
      setImmediate(done, null, chunk)
    },
    flush(done) {
      reader.end()
      done()
    },
  })
  return [stage]
}

/** The rewriter, or nothing, as stages of a pipeline. */
export function rewritingStages(rewriter: UrlRewriter | null): Transform[] {
  if (!rewriter) return []
  const stage = new Transform({
    transform: (chunk, _encoding, done) => done(null, rewriter.push(chunk)),
    flush: (done) => done(null, rewriter.end()),
  })
  return [stage]
}
