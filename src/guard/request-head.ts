import type { IncomingMessage } from 'node:http'
import { ProxyError } from '../errors.ts'
import { isHost } from './host-header.ts'

const versions: ReadonlySet<string> = new Set(['1.0', '1.1', '2'])

/** Throws a ProxyError for requests that RFC 9112 requires a server to reject but Node accepts. */
export function validateRequestHead({
  httpVersion,
  headers,
  rawHeaders,
}: Pick<IncomingMessage, 'httpVersion' | 'headers' | 'rawHeaders'>): void {
  if (!versions.has(httpVersion)) throw malformed('The HTTP version is not supported.', 'Use HTTP/1.1.')
  if (headers.host === undefined && httpVersion !== '1.0') {
    throw malformed('The request has no Host header (RFC 9112 3.2).', 'Send one.')
  }
  if (!isHost(headers.host ?? '') || comesTwice('host', rawHeaders)) {
    throw malformed('The Host header does not name one host (RFC 9112 3.2).', 'Send one host, and nothing else.')
  }
  if (headers.authorization !== undefined && comesTwice('authorization', rawHeaders)) {
    throw malformed('The request has more than one Authorization header.', 'Send only one.')
  }
  if (headers['transfer-encoding'] !== undefined && httpVersion === '1.0') {
    throw malformed('HTTP/1.0 has no Transfer-Encoding.', 'Send the body with a Content-Length, or use HTTP/1.1.')
  }
}

/** Whether there are two of a header, of which Node shows the first one, or both as a list. */
export function comesTwice(header: string, rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === header.length && name.toLowerCase() === header) count += 1
  }
  return count > 1
}

function malformed(problem: string, remedy: string): ProxyError {
  return new ProxyError('malformed-request', { problem, remedy })
}
