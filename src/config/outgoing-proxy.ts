import type { Section } from './section.ts'

/** The outgoing proxy under a key as `http://[user:password@]host:port`; null if there is none. Its text is never printed. */
export function proxyUrl(section: Section, key: string): string | null {
  const text = section.text(key)
  if (!text) return null
  const url = normalized(text)
  if (url === null) {
    section.problem(
      key,
      'must be host:port or user:password@host:port; use a proxy that speaks plain http, the only kind that is supported',
    )
  }
  return url
}

/** Lower case wins, as in curl; an empty variable counts as unset. */
export function proxyFromEnvironment(environment: Section, lower: string, upper: string): string | null {
  return proxyUrl(environment, environment.text(lower) ? lower : upper)
}

/**
 * Splits at the last `@` and re-encodes user and password, so that `p@ss#word` works as written, as with curl, and
 * percent-encoded ones keep their meaning.
 */
function normalized(text: string): string | null {
  const bare = text.replace(/^http:\/\//i, '').replace(/\/$/, '')
  const at = bare.lastIndexOf('@')
  const host = bare.slice(at + 1)
  const url = /[/\\?#\s]/.test(host) || /^[a-z0-9]+:\/\//i.test(bare) ? null : URL.parse(`http://${host}`)
  if (!url?.hostname) return null
  return `http://${at < 0 ? '' : `${login(bare.slice(0, at))}@`}${url.hostname}:${url.port || 80}`
}

function login(text: string): string {
  const colon = text.indexOf(':')
  if (colon < 0) return recoded(text)
  return `${recoded(text.slice(0, colon))}:${recoded(text.slice(colon + 1))}`
}

function recoded(text: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(text))
  } catch {
    return encodeURIComponent(text.toWellFormed())
  }
}
