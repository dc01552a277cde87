import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { DicomWebService } from '../config/settings.ts'

/**
 * Request headers that are forwarded to the DICOM store. All others are dropped: hop-by-hop ones
 * (RFC 9110 7.6.1), the client's credentials and cookies, and headers that identify the client or
 * its network.
 */
const requestHeaders: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-length',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
])

/** Those of an upload: with the class that the guard has checked. */
const uploadHeaders: ReadonlySet<string> = new Set([...requestHeaders, 'storage-class'])

/**
 * Headers of Google's response that are forwarded: the representation and its freshness (RFC 9110
 * 8, 9111).
 */
const responseHeaders: ReadonlySet<string> = new Set([
  'accept-ranges',
  'age',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'date',
  'etag',
  'expires',
  'last-modified',
  'pragma',
  'retry-after',
  'vary',
  'warning',
])

/**
 * Security headers of every response of the data listener: pages of other origins can't read it,
 * browsers don't sniff its type or run its content. They replace Google's own.
 */
export const isolationHeaders = {
  'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
} as const

type Headers = Record<string, string>

/** The client's headers that go to Google. The transport adds the token last. */
export function outgoingHeaders(client: IncomingHttpHeaders, service: DicomWebService): Headers {
  return pick(client, service === 'STOW-RS' ? uploadHeaders : requestHeaders)
}

/** Google's headers that go to the client. */
export function returnedHeaders(
  upstream: Readonly<Record<string, string | string[] | undefined>>,
): OutgoingHttpHeaders {
  const headers = pick(upstream, responseHeaders)
  headers.vary = withOrigin(headers.vary)
  return Object.assign(headers, isolationHeaders)
}

/** A response depends on the page that it is for: only named ones may read it (Fetch, "CORS"). */
function withOrigin(vary: string | undefined): string {
  if (!vary) return 'Origin'
  const names = vary.toLowerCase().split(/[\s,]+/)
  return names.includes('origin') || names.includes('*') ? vary : `${vary}, Origin`
}

/** Whether a header of Google's response goes to the client; the name in lower case. */
export function isReturned(name: string): boolean {
  return responseHeaders.has(name)
}

/** Iterates over the received headers, which are few, not over the allow-list. */
function pick(from: Readonly<Record<string, string | string[] | undefined>>, names: ReadonlySet<string>): Headers {
  const picked: Headers = {}
  for (const name of Object.keys(from)) {
    const value = from[name]
    // Duplicate headers form one list (RFC 9110 5.3).
    if (value !== undefined && names.has(name)) picked[name] = typeof value === 'string' ? value : value.join(', ')
  }
  return picked
}
