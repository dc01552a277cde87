import type { Dispatcher } from 'undici'
import { outgoingProxyFor, proxyAuthorization } from '../config/outgoing-proxy.ts'
import type { OutgoingSettings } from '../config/settings.ts'

/**
 * Sends requests without TLS to the outgoing proxy where one leads to their host, with the whole
 * URL as target (RFC 9112 3.2.2). Those with TLS go through a tunnel, which the connection makes.
 */
export function forwardPlainRequests(dispatcher: Dispatcher, outgoing: OutgoingSettings): Dispatcher {
  if (!outgoing.httpsProxy) return dispatcher
  return dispatcher.compose((dispatch) => (options, handler) => {
    const url = new URL(String(options.origin))
    const proxy = url.protocol === 'http:' ? outgoingProxyFor(url, outgoing) : null
    if (!proxy) return dispatch(options, handler)
    const headers = { ...proxyAuthorization(proxy), host: url.host, ...(options.headers as Headers) }
    return dispatch({ ...options, origin: proxy.origin, path: `${url.origin}${options.path}`, headers }, handler)
  })
}

/** The only form in which this program gives them to undici. */
type Headers = Readonly<Record<string, string>>
