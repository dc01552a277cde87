import { isLoopback } from './loopback.ts'
import type { Section } from './section.ts'

/**
 * Reads a URL that tokens or credentials are sent to: https, or http on loopback. The schema has
 * checked its format; a URL parser also rejects an IPv4 number out of range and a port that is too
 * high.
 */
export function googleUrl(section: Section, key: string): string | null {
  const text = section.text(key)
  if (text === undefined) return null
  const url = URL.parse(text)
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))
  if (url && safe) return url.href
  section.problem(
    key,
    'must be a URL that begins with https:// (or with http:// on this machine: localhost, 127.0.0.1, [::1])',
  )
  return null
}

/** The same for the root of an API, with a slash at its end. */
export function googleRoot(section: Section, key: string): string | null {
  const url = googleUrl(section, key)
  return url === null || url.endsWith('/') ? url : `${url}/`
}

/** Reads an http or https URL, without a trailing slash. */
export function publicUrl(section: Section, key: string): string | null {
  const text = section.text(key)
  if (text === undefined) return null
  const url = URL.parse(text)
  if (url) return url.href.replace(/(?<!\/)\/+$/, '')
  section.problem(key, 'must be a valid http or https URL, such as https://pacs.example.com/google')
  return null
}
