/** A host as a URL names one, and perhaps a port (RFC 9110 7.2, RFC 3986 3.2.2). */
const hostAndPort = /^(\[[\w.:%~-]+\]|([\w.~!$&'()*+;=-]|%[0-9a-f]{2})*)(:\d*)?$/i

/** Whether a Host header has the form of one host. A URL parser would take more: a user name, a path. */
export function isHost(header: string): boolean {
  return hostAndPort.test(header)
}

/** The root of the host that a Host header names; null if it names none. */
export function urlOfHost(header: string, scheme: 'http' | 'https' = 'http'): URL | null {
  return isHost(header) ? URL.parse(`${scheme}://${header}`) : null
}
