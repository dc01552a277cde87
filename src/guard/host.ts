/** A host, and perhaps a port, as in a URL (RFC 9110 7.2, RFC 3986 3.2.2). */
const hostAndPort = /^(\[[\w.:%~-]+\]|([\w.~!$&'()*+;=-]|%[0-9a-f]{2})*)(:\d*)?$/i

/**
 * Whether a Host header is one well-formed host. A URL parser would also accept user names and
 * paths.
 */
export function isHost(header: string): boolean {
  return hostAndPort.test(header)
}

/** The root URL of the host in a Host header; null if it is malformed. */
export function urlOfHost(header: string, scheme: 'http' | 'https' = 'http'): URL | null {
  return isHost(header) ? URL.parse(`${scheme}://${header}`) : null
}
