import type { OutgoingHttpHeaders } from 'node:http'
import type { AccountSettings, DicomWebService } from '../config/settings.ts'

/**
 * What one DICOM instance gives, and nothing that can grow: neither studies and series nor metadata,
 * which other instances and the proxy's own address may change.
 */
const unchanging = /\/instances\/\{instance\}(?:$|\/(?:frames|bulkdata|rendered|thumbnail)\b)/

/**
 * What the response depends on besides the URL. The same browser may log in as somebody else, here
 * or, by a cookie, at a gateway in front.
 */
const dependsOn = ['Authorization', 'Cookie', 'Accept', 'Accept-Charset', 'Accept-Encoding']

/**
 * The `Cache-Control` of a request's response, if the account has one; null where Google's stays. It
 * is never `public`: images are for the one who may see them (RFC 9111 5.2.2.7).
 */
export function cacheControlFor(
  { service, route }: { readonly service: DicomWebService; readonly route: string },
  privateCache: AccountSettings['privateCache'],
): string | null {
  if (!privateCache || service !== 'WADO-RS' || !unchanging.test(route)) return null
  return `private, max-age=${privateCache.maxAge / 1000}`
}

/**
 * Lets the client's cache keep a response. It takes the place of what Google says about caches, as
 * the account asks for. A 304 gives the cached response its new age (RFC 9111 4.3.4).
 */
export function allowCaching(headers: OutgoingHttpHeaders, status: number, cacheControl: string): void {
  if (status !== 200 && status !== 206 && status !== 304) return
  delete headers.pragma
  delete headers.expires
  headers['cache-control'] = cacheControl
  headers.vary = withNames(String(headers.vary ?? ''))
}

function withNames(vary: string): string {
  const names = vary.split(',').flatMap((name) => name.trim() || [])
  if (names.includes('*')) return '*'
  const known = new Set(names.map((name) => name.toLowerCase()))
  return [...names, ...dependsOn.filter((name) => !known.has(name.toLowerCase()))].join(', ')
}
