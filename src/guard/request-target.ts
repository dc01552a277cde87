import { ProxyError } from '../errors.ts'

/** The parsed target of a request, not yet checked. */
export interface RequestTarget {
  /** First segment, decoded: the account's name, if it exists. */
  readonly account: string
  /** The other segments, without the optional `dicomWeb`; plain characters only. */
  readonly segments: readonly string[]
  /** The text after the question mark, as received. */
  readonly query: string
}

/** RFC 9112 3.2.1. All other characters must be percent-encoded (RFC 3986 2.1). */
const originForm = /^\/[\x21-\x7e]*$/

/** The characters of DICOMweb paths: no percent, backslash, semicolon or control character. */
const plain = /^[\w.,~-]+$/

/**
 * Parses an origin-form request target (RFC 9112 3.2.1). Repeated slashes are collapsed, because
 * some clients send them. Throws a ProxyError `malformed-request` for anything that the proxy and
 * Google could read as different paths.
 */
export function parseRequestTarget(target: string): RequestTarget {
  if (!originForm.test(target)) {
    throw malformed(
      'The request target is not a path in ASCII that begins with a slash.',
      'Percent-encode all other characters.',
    )
  }
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const [account = '', ...rest] = path.split('/').filter((segment) => segment !== '')
  const segments = rest[0] === 'dicomWeb' ? rest.slice(1) : rest
  return {
    account: decodeAccount(account),
    segments: segments.map(checkedSegment),
    query: mark === -1 ? '' : target.slice(mark + 1),
  }
}

function decodeAccount(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw malformed(
      'The account in the path is not correctly percent-encoded.',
      'Use the URL that the proxy prints at start.',
    )
  }
}

function checkedSegment(segment: string): string {
  // Some clients encode the comma of a frame list; it needs no encoding (RFC 3986 3.3).
  const decoded = segment.replaceAll(/%2c/gi, ',')
  if (plain.test(decoded) && !/^\.+$/.test(decoded)) return decoded
  throw malformed(
    'The path contains characters that no DICOMweb path needs.',
    'Send letters, digits, dots and commas, not percent-encoded.',
  )
}

function malformed(problem: string, remedy: string): ProxyError {
  return new ProxyError('malformed-request', { problem, remedy })
}
