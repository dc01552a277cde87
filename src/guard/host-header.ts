import { isIP } from 'node:net'
import { ProxyError } from '../errors.ts'

/**
 * Rejects requests whose Host header names another host. Without authentication, a web page could
 * otherwise point its own name to 127.0.0.1, and read and delete images through a browser on this
 * machine (DNS rebinding).
 *
 * @param publicUrl another name that clients may use for the listener
 */
export function checkHostHeader(publicUrl: string | null): (host: string | undefined) => void {
  const own = publicUrl === null ? null : new URL(publicUrl).hostname
  /** The last accepted value: clients repeat the same one. */
  let known = ''
  return (host) => {
    // Browsers always send a Host.
    if (!host || host === known) return
    const name = urlOfHost(host)?.hostname ?? ''
    // An IP address can't be rebound.
    if (isAddress(name) || name === 'localhost' || name.endsWith('.localhost') || name === own) {
      known = host
      return
    }
    throw new ProxyError('wrong-host', {
      problem: 'The Host header names another host, and this listener serves this machine only.',
      remedy:
        'Use http://127.0.0.1 or http://localhost. If nginx or the like is in front, set PublicUrl to the address that people use, and let it send that host: in nginx, "proxy_set_header Host $host;".',
    })
  }
}

function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0
}

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
