import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { ProxyError } from '../errors.ts'
import { urlOfHost } from './host-header.ts'

type Request = Pick<IncomingMessage, 'method' | 'headers' | 'socket'>

/**
 * Refuses what a browser sends to the admin listener for a page of another origin. Where nobody
 * logs in, any page of the web could otherwise have a browser that reaches the listener read, send
 * and delete. Browsers say where a request comes from
 * (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header, RFC 6454 7); other clients say
 * nothing.
 *
 * @param publicUrl how clients may name the listener besides
 */
export function onlySameOrigin(publicUrl: string | null): (request: Request) => void {
  const publicOrigin = publicUrl === null ? null : new URL(publicUrl).origin
  return ({ headers, socket }) => {
    const { host = '', origin, 'sec-fetch-site': site } = headers
    // "same-site" is another port of this machine, and so may be another person's page.
    if (site !== undefined && site !== 'same-origin' && site !== 'none') throw crossOrigin()
    if (origin === undefined || origin === publicOrigin) return
    if (origin !== urlOfHost(host, socket instanceof TLSSocket ? 'https' : 'http')?.origin) throw crossOrigin()
  }
}

/**
 * Whether a person opens it in a window of its own, maybe by a link from elsewhere: no page sees
 * what comes then.
 */
export function isOpened({ method, headers }: Request): boolean {
  const { 'sec-fetch-mode': mode, 'sec-fetch-dest': destination } = headers
  return method === 'GET' && mode === 'navigate' && destination === 'document' && headers.origin === undefined
}

function crossOrigin(): ProxyError {
  return new ProxyError('cross-origin', {
    problem: 'A browser sends this request for a page of another origin.',
    remedy: 'Open the page under the address of this listener, or set PublicUrl.',
  })
}
