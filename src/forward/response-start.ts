import type { InboundResponse } from '../downstream/inbound.ts'
import { lingerWhileSending } from '../downstream/lingering-close.ts'
import { ProxyError } from '../errors.ts'
import type { UpstreamHeaders } from './buffered-response.ts'
import type { Exchange } from './exchange.ts'
import { allowCaching } from './private-cache.ts'
import { type Rewriting, rewriteResponse } from './response-rewriting.ts'

/**
 * Begins the client's response with the status and headers of Google's. Throws when they can't be
 * sent.
 *
 * @param own headers of the proxy's own
 * @returns what rewrites the body's URLs, if that is asked for and the body has any
 */
export function beginResponse(
  response: InboundResponse,
  { urls, attempt, cacheControl }: Pick<Exchange, 'urls' | 'attempt' | 'cacheControl'>,
  status: number,
  upstream: UpstreamHeaders,
  own: Readonly<Record<string, string>> = receivedStatus(status, attempt),
): Rewriting | null {
  if (!isUsable(response, status, upstream)) throw endless()
  lingerWhileSending(response)
  const { headers, rewriting } = rewriteResponse(upstream, urls, response.req.headers['accept-encoding'])
  if (cacheControl !== null) allowCaching(headers, status, cacheControl)
  response.writeHead(status, Object.assign(headers, own))
  return rewriting
}

/**
 * A success must have an end that can be told from a break: a study cut unseen would pass for a
 * whole one. Of an error the status is what matters. Some servers and proxies end theirs with the
 * connection, as Node itself does for what it can't parse.
 */
function isUsable(response: InboundResponse, status: number, upstream: UpstreamHeaders): boolean {
  // To an upload, 409 has a body that says which instances are stored.
  const isStored = status === 409 && response.req.method === 'POST'
  const isError = status >= 300 && !isStored && upstream['transfer-encoding'] === undefined
  return isError || saysWhereItEnds(response, status, upstream)
}

/**
 * Whether the response has an end that can be told from a break (RFC 9112 6.3). One that just stops
 * with its connection is not to be trusted: both HTTP libraries take even a reset for its end.
 */
function saysWhereItEnds({ req }: InboundResponse, status: number, upstream: UpstreamHeaders): boolean {
  const isWithoutBody = req.method === 'HEAD' || status === 204 || status === 304
  return isWithoutBody || upstream['content-length'] !== undefined || isChunked(upstream['transfer-encoding'])
}

/**
 * Any other coding ends with its connection, or would have to be undone here (RFC 9112 6.1, 6.3).
 */
function isChunked(coding: string | string[] | undefined): boolean {
  return String(coding).trim().toLowerCase() === 'chunked'
}

function endless(): ProxyError {
  const problem =
    'The response has neither Content-Length nor chunked encoding, so a truncated one could not be detected.'
  return new ProxyError('upstream-invalid', { problem, remedy: 'Check the outgoing proxy and BaseUrl.' })
}

/**
 * Whether to buffer a response. One that can't be used is none, but of a 401 the status says it
 * all.
 */
export function shouldBuffer({ inbound, shouldBuffer }: Exchange, status: number, upstream: UpstreamHeaders): boolean {
  return shouldBuffer(status) && (status === 401 || isUsable(inbound.response, status, upstream))
}

/**
 * `Proxy-Status` (RFC 9209) of a refusal that is Google's, passed on as it came: who refused, and
 * after how many attempts.
 *
 * @param attempts times that the request was sent to Google
 */
export function receivedStatus(status: number, attempts: number): Record<string, string> {
  if (status < 400) return {}
  return {
    'proxy-status': `gcp-dicomweb-proxy; received-status=${status}; details="layer=upstream, attempts=${attempts}"`,
  }
}
