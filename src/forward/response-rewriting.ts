import type { OutgoingHttpHeaders } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { returnedHeaders } from '../guard/headers.ts'
import { acceptsGzip, parameterOf } from './accepted-types.ts'
import type { UpstreamHeaders } from './buffered-response.ts'
import { bodyRewriter, MultipartRewriter, namesResources } from './multipart-rewriter.ts'
import { type BodyRewriter, rewriteUrls, type UrlReplacement } from './url-rewriter.ts'

/** What is to be done with a body. */
export interface Rewriting {
  readonly rewriter: BodyRewriter
  /** Whether Google's body is compressed (gzip). */
  readonly isCompressed: boolean
  /** Whether the client's is, too. */
  readonly isRecompressed: boolean
}

/** What a buffered error document may grow to. */
const maxDecompressedBytes = 1024 * 1024

/**
 * The headers for the client, and what rewrites the body; null where the body passes unchanged.
 *
 * @param acceptEncoding of the client
 */
export function rewriteResponse(
  upstream: UpstreamHeaders,
  urls: UrlReplacement | null,
  acceptEncoding: string | undefined,
): { headers: OutgoingHttpHeaders; rewriting: Rewriting | null } {
  const headers = clientHeaders(upstream, urls)
  const rewriter = urls && rewriterFor(headers, urls)
  if (!rewriter) return { headers, rewriting: null }
  const isCompressed = isGzip(headers)
  const isRecompressed = isCompressed && acceptsGzip(acceptEncoding)
  // These describe Google's bytes (RFC 9110 8.6, 8.8.3, 14.3).
  for (const name of ['content-length', 'accept-ranges', 'content-encoding']) delete headers[name]
  if (isRecompressed) headers['content-encoding'] = 'gzip'
  if (isCompressed) headers.vary = headers.vary ? `${headers.vary}, Accept-Encoding` : 'Accept-Encoding'
  if (typeof headers.etag === 'string') headers.etag = headers.etag.replace(/^(?!W\/)/, 'W/')
  return { headers, rewriting: { rewriter, isCompressed, isRecompressed } }
}

/** Google's headers for the client, with URLs that it can follow. */
export function clientHeaders(upstream: UpstreamHeaders, urls: UrlReplacement | null): OutgoingHttpHeaders {
  const headers = returnedHeaders(upstream)
  if (!urls) return headers
  for (const name of ['content-location', 'warning']) {
    const value = headers[name]
    if (typeof value === 'string') headers[name] = rewriteUrls(value, urls)
  }
  // One that leads elsewhere is not for the client.
  const { location } = upstream
  const rewritten = typeof location === 'string' ? rewriteUrls(location, urls) : location
  if (typeof rewritten === 'string' && rewritten !== location) headers.location = rewritten
  return headers
}

/** Null where no URL is expected: instances, images and bulk data pass unchanged. */
function rewriterFor(headers: OutgoingHttpHeaders, urls: UrlReplacement): BodyRewriter | null {
  const type = String(headers['content-type'] ?? '')
  const coding = headers['content-encoding']
  // A part of a document has its own place and length in the whole.
  if (headers['content-range'] !== undefined) return null
  if (coding !== undefined && !isGzip(headers)) return null
  if (namesResources(type)) return bodyRewriter(type, urls)
  const boundary = /^multipart\/related\b/i.test(type) ? parameterOf(type, 'boundary') : ''
  const isDocument = coding === undefined || /\bxml\b/i.test(type)
  return boundary !== '' && isDocument ? new MultipartRewriter(boundary, urls) : null
}

function isGzip(headers: OutgoingHttpHeaders | UpstreamHeaders): boolean {
  return String(headers['content-encoding']).toLowerCase() === 'gzip'
}

interface Whole {
  readonly headers: UpstreamHeaders
  readonly body: Buffer
}

/** A small response without its compression, if it has URLs to rewrite; else as it is. */
export function decompressed({ headers, body }: Whole): Whole {
  if (!isGzip(headers) || !namesResources(String(headers['content-type'] ?? ''))) return { headers, body }
  try {
    const whole = gunzipSync(body, { maxOutputLength: maxDecompressedBytes })
    const { 'content-encoding': _, ...rest } = headers
    return { headers: { ...rest, 'content-length': String(whole.length) }, body: whole }
  } catch {
    return { headers, body }
  }
}
