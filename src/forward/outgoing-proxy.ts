import type { OutgoingSettings } from '../config/settings.ts'
import { readNoProxy } from './no-proxy.ts'

/** The outgoing proxy that leads to a URL; null if there is none on the way. */
export function outgoingProxyFor(url: URL, { httpsProxy, httpProxy, noProxy }: OutgoingSettings): URL | null {
  const proxy = url.protocol === 'https:' ? httpsProxy : httpProxy
  // Google speaks https. One for http alone must not be taken for it.
  if (!httpsProxy || !proxy || readNoProxy(noProxy)(url)) return null
  return URL.parse(proxy)
}

/** The login that an outgoing proxy's URL has, as a header (RFC 9110 11.7.2). */
export function proxyAuthorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (!username) return {}
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` }
}
