import { lingerWhileSending } from '../downstream/lingering-close.ts'
import { acceptsDicomJson } from './accepted-types.ts'
import type { UpstreamHeaders } from './buffered-response.ts'
import type { Exchange } from './exchange.ts'
import { clientHeaders } from './response-rewriting.ts'

/** A search that found nothing. */
const body = Buffer.from('[]')

/**
 * Headers that describe a body (RFC 9110 8): those of Google's response describe one that is not
 * there.
 */
const describesBody = /^(?:content-(?!security-policy$)|etag$|last-modified$|accept-ranges$)/

/**
 * Whether Google's response says that a search found nothing, and the client takes JSON. Google has
 * no body for that, and Orthanc takes a search without a body for a failure: HTTP 400, "Bad file
 * format".
 */
export function isEmptySearch({ service, headers }: Pick<Exchange, 'service' | 'headers'>, status: number): boolean {
  return status === 204 && service === 'QIDO-RS' && acceptsDicomJson(headers.accept)
}

/**
 * Begins the response to such a search.
 *
 * @returns its body, which is still to be sent; null for HEAD
 */
export function beginEmptySearch({ inbound, urls }: Exchange, upstream: UpstreamHeaders): Buffer | null {
  const { request, response } = inbound
  lingerWhileSending(response)
  const headers = clientHeaders(upstream, urls)
  for (const name of Object.keys(headers)) if (describesBody.test(name)) delete headers[name]
  response.writeHead(200, {
    ...headers,
    'content-type': 'application/dicom+json',
    'content-length': body.length,
    vary: `${headers.vary}, Accept`,
  })
  return request.method === 'HEAD' ? null : body
}
