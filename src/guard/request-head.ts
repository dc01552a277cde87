import type { IncomingMessage } from 'node:http'
import { ProxyError } from '../errors.ts'
import { isHost } from './host.ts'

/** Node's default (`server.maxHeadersCount`). */
const maxHeaders = 1000

/** Throws a ProxyError for requests that RFC 9112 requires a server to reject but Node accepts. */
export function validateRequestHead({
  httpVersion,
  headers,
  rawHeaders,
}: Pick<IncomingMessage, 'httpVersion' | 'headers' | 'rawHeaders'>): void {
  if (rawHeaders.length > 2 * maxHeaders) {
    throw new ProxyError('header-too-large', `The request has more than ${maxHeaders} headers: send fewer.`)
  }
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw malformed('Only HTTP/1.1 and HTTP/1.0 are understood.')
  if (headers.host === undefined && httpVersion === '1.1') {
    throw malformed('An HTTP/1.1 request needs a Host header (RFC 9112 3.2).')
  }
  if (!isHost(headers.host ?? '') || comesTwice('host', rawHeaders)) {
    throw malformed('The Host header must name one host, and nothing else (RFC 9112 3.2).')
  }
  if (headers.authorization !== undefined && comesTwice('authorization', rawHeaders)) {
    throw malformed('There must be one Authorization header only.')
  }
  if (headers['transfer-encoding'] !== undefined && httpVersion === '1.0') {
    throw malformed('HTTP/1.0 has no Transfer-Encoding: send the body with a Content-Length, or as HTTP/1.1.')
  }
}

/** Node shows only the first one. */
function comesTwice(header: string, rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === header.length && name.toLowerCase() === header) count += 1
  }
  return count > 1
}

function malformed(detail: string): ProxyError {
  return new ProxyError('malformed-request', detail)
}
