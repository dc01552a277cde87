import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'

/**
 * Headers of a client's request that concern the DICOM store. All others end here: hop-by-hop ones (RFC 9110 7.6.1),
 * the client's own credentials and cookies, and whatever names the client or its network.
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

/** Headers of Google's answer that concern the client: what the body is, and how long it stays true (RFC 9110 8, 9111). */
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
 * Of every response of the data listener: a browser keeps it from pages of other origins, takes it for what its Content-Type says,
 * and runs nothing that stands in it. Google's own do not count.
 */
export const isolationHeaders = {
  'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
} as const

type Headers = Record<string, string>

/** What goes to Google of a client's headers; the token is put on by the transport, last. */
export function outgoingHeaders(client: IncomingHttpHeaders): Headers {
  return pick(client, requestHeaders)
}

/** What goes to the client of Google's headers. */
export function returnedHeaders(
  upstream: Readonly<Record<string, string | string[] | undefined>>,
): OutgoingHttpHeaders {
  return Object.assign(pick(upstream, responseHeaders), isolationHeaders)
}

/** Whether a header of Google's answer goes to the client; its name in lower case. */
export function isReturned(name: string): boolean {
  return responseHeaders.has(name)
}

/** Looks at the headers that came, a handful, not for each that may come. */
function pick(from: Readonly<Record<string, string | string[] | undefined>>, names: ReadonlySet<string>): Headers {
  const picked: Headers = {}
  for (const name of Object.keys(from)) {
    const value = from[name]
    // A header that came twice is one list (RFC 9110 5.3).
    if (value !== undefined && names.has(name)) picked[name] = typeof value === 'string' ? value : value.join(', ')
  }
  return picked
}
