import { readNoProxy } from './no-proxy.ts'
import type { Section } from './section.ts'
import type { OutgoingSettings } from './settings.ts'

/**
 * Reads an outgoing proxy as `http://[user:password@]host:port`; null if there is none. Its text is
 * never logged.
 */
export function proxyUrl(section: Section, key: string): string | null {
  const text = section.text(key)
  if (!text) return null
  const url = normalizedProxyUrl(text)
  if (url === null) {
    section.problem(
      key,
      'must be host:port or user:password@host:port',
      'use a proxy that speaks plain http, the only kind that is supported',
    )
  }
  return url
}

/** As in curl, the lower-case variable wins, and an empty one counts as unset. */
export function proxyFromEnvironment(environment: Section, lower: string, upper: string): string | null {
  return proxyUrl(environment, environment.text(lower) ? lower : upper)
}

/**
 * Splits at the last `@` and re-encodes user and password. As in curl, `p@ss#word` works as
 * written, and percent-encoded characters keep their meaning.
 */
function normalizedProxyUrl(text: string): string | null {
  const bare = text.replace(/^http:\/\//i, '').replace(/\/$/, '')
  const at = bare.lastIndexOf('@')
  const host = bare.slice(at + 1)
  const url = /[/\\?#\s]/.test(host) || /^[a-z0-9]+:\/\//i.test(bare) ? null : URL.parse(`http://${host}`)
  if (!url?.hostname) return null
  return `http://${at < 0 ? '' : `${encodedLogin(bare.slice(0, at))}@`}${url.hostname}:${url.port || 80}`
}

function encodedLogin(text: string): string {
  const colon = text.indexOf(':')
  if (colon < 0) return reencoded(text)
  return `${reencoded(text.slice(0, colon))}:${reencoded(text.slice(colon + 1))}`
}

function reencoded(text: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(text))
  } catch {
    return encodeURIComponent(text.toWellFormed())
  }
}

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
