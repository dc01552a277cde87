import { ProxyError } from '../errors.ts'

/**
 * Query parameters that stand for a header, for links and other clients that can't set one (PS3.18
 * 8.3.3). Google documents the headers alone.
 */
const headerFor: ReadonlyMap<string, string> = new Map([
  ['accept', 'accept'],
  ['charset', 'accept-charset'],
])

export interface Negotiation {
  /** Take the place of the client's own: the query has precedence (PS3.18 8.7.8.1 and 8.8.5). */
  readonly headers: Readonly<Record<string, string>>
  /** The query without these parameters. */
  readonly query: string
}

/**
 * Takes the parameters for content negotiation out of a query. Throws a ProxyError if they can't be
 * headers.
 */
export function negotiationIn(query: string): Negotiation {
  const headers: Record<string, string> = {}
  const others: string[] = []
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=')
    const name = equals === -1 ? pair : pair.slice(0, equals)
    const header = headerFor.get(decoded(name) ?? '')
    if (header === undefined) {
      others.push(pair)
      continue
    }
    const value = equals === -1 ? '' : headerValue(name, pair.slice(equals + 1))
    if (value === '') continue
    if (header in headers) throw malformed(name, 'comes more than once', 'Send it once, with a list in it.')
    headers[header] = value
  }
  return { headers, query: others.join('&') }
}

/** A plus is one: `application/dicom+json` often comes unencoded, and a space is of no use here. */
function headerValue(name: string, encoded: string): string {
  const value = decoded(encoded)
  if (value !== undefined && /^[\x20-\x7e]*$/.test(value)) return value.trim()
  throw malformed(name, 'has characters that a header must not have', 'Send ASCII, percent-encoded.')
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function malformed(name: string, problem: string, remedy: string): ProxyError {
  return new ProxyError('malformed-request', { problem: `The query parameter "${name}" ${problem}.`, remedy })
}
