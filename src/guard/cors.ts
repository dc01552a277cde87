import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Settings } from '../config/settings.ts'
import { ProxyError } from '../errors.ts'
import { clientFacingUrl } from './client-facing-url.ts'
import { isolationHeaders } from './headers.ts'
import { urlOfHost } from './host-header.ts'

type Request = Pick<IncomingMessage, 'method' | 'headers' | 'socket'>

/** Of DICOMweb, what viewers' scripts send. Others are not forwarded anyway. */
const allowedHeaders = [
  'Authorization',
  'Accept',
  'Accept-Charset',
  'Accept-Language',
  'Cache-Control',
  'Content-Encoding',
  'Content-Language',
  'Content-Type',
  'If-Match',
  'If-Modified-Since',
  'If-None-Match',
  'If-Range',
  'If-Unmodified-Since',
  'Pragma',
  'Range',
  'Storage-Class',
  'Traceparent',
  'Tracestate',
  'X-Request-Id',
  'X-Requested-With',
].join(', ')

/** What scripts may read besides `Content-Type` and the like, which browsers show anyway. */
const exposedHeaders = [
  'Accept-Ranges',
  'Age',
  'Allow',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Location',
  'Content-Range',
  'Content-Type',
  'Date',
  'ETag',
  'Location',
  'Proxy-Status',
  'Retry-After',
  'Warning',
  'WWW-Authenticate',
].join(', ')

/**
 * Browsers keep the response to a preflight for two hours at most; the requests are checked anyway.
 */
const maxAgeSeconds = '7200'

/**
 * Which pages a browser may send requests for, and read responses of (Fetch, "HTTP extensions"). A
 * page can't choose its `Origin` (RFC 6454 7) and `Sec-Fetch-Site`
 * (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header); other clients send neither.
 * Cookies are never allowed: a script logs in by `Authorization`.
 */
export class Cors {
  readonly #named: ReadonlySet<string>
  /** The proxy's address as one in front of it forwards it; null where that doesn't count. */
  readonly #forwardedUrl: ((request: Request) => string) | null

  /** The origin of PublicUrl is as good as named. */
  constructor(settings: Pick<Settings, 'publicUrl' | 'trustedProxies' | 'corsOrigins' | 'clients'>) {
    const { publicUrl, trustedProxies, corsOrigins, clients } = settings
    this.#named = new Set(publicUrl === null ? corsOrigins : [...corsOrigins, new URL(publicUrl).origin])
    // Where nobody logs in, a page whose own name was pointed to the proxy in front would pass for
    // the own one (DNS rebinding).
    this.#forwardedUrl = clients === null || trustedProxies.length === 0 ? null : clientFacingUrl(settings)
  }

  /**
   * Headers for every response to this request, so that the page may read it; null if it may not.
   */
  headersFor(request: Request): Readonly<Record<string, string>> | null {
    const { origin } = request.headers
    if (origin === undefined || !this.#isNamed(origin, request)) return null
    return { 'access-control-allow-origin': origin, 'access-control-expose-headers': exposedHeaders }
  }

  /**
   * Throws a ProxyError `cross-origin` for what a browser sends for a page that is not named. Where
   * a browser says no origin, as for images and links, no page but the proxy's own is meant.
   */
  check(request: Request): void {
    const { origin, 'sec-fetch-site': site } = request.headers
    if (origin !== undefined) {
      if (!this.#isNamed(origin, request)) throw crossOrigin(origin)
    } else if (site !== undefined && site !== 'same-origin' && site !== 'none') throw crossOrigin()
  }

  #isNamed(origin: string, request: Request): boolean {
    if (this.#named.has(origin)) return true
    const { host = '' } = request.headers
    if (origin === urlOfHost(host, request.socket instanceof TLSSocket ? 'https' : 'http')?.origin) return true
    return this.#forwardedUrl !== null && origin === URL.parse(this.#forwardedUrl(request))?.origin
  }
}

/** Whether a browser asks if a script may send a request. It sends no login with that. */
export function isPreflight({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && 'access-control-request-method' in headers
}

/**
 * Headers of the response to an allowed preflight: the same for all paths, so that it reveals none.
 */
export const preflightHeaders = {
  ...isolationHeaders,
  vary: 'Origin',
  'access-control-allow-methods': 'GET, HEAD, POST, DELETE',
  'access-control-allow-headers': allowedHeaders,
  'access-control-max-age': maxAgeSeconds,
} as const

function crossOrigin(origin?: string): ProxyError {
  const explanation = {
    problem:
      'A browser sends this request for a page of another origin, which DicomWebProxy.Cors.Origins does not name.',
    remedy:
      'If the page may use this proxy, add its origin there, and let it send requests by fetch(). Behind another proxy, set PublicUrl, or TrustedProxies.',
  }
  const isPlain = origin !== undefined && origin.length <= 200 && URL.parse(origin)?.origin === origin
  return new ProxyError('cross-origin', explanation, isPlain ? { reason: `a page of ${origin}` } : {})
}
