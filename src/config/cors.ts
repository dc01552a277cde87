import type { Section } from './section.ts'

/**
 * Reads the origins of pages that may use the data listener. A browser writes an origin in one way
 * only.
 */
export function readCorsOrigins(cors: Section): readonly string[] {
  const key = 'Origins'
  return cors.texts(key).flatMap((text, at) => {
    const url = URL.parse(text)
    const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:'
    if (url && isWeb && !text.includes('*') && url.origin === text) return [text]
    // The text itself must not be in the message: it might hold a password.
    if (/^null$/i.test(text)) cors.itemProblem(key, at, 'must not be null, which any page can be', serve)
    else if (text.includes('*')) cors.itemProblem(key, at, 'must not have a wildcard', 'name each origin')
    else cors.itemProblem(key, at, shape)
    return []
  })
}

const serve = 'serve the page from an https address, and name that'
const shape =
  'must be an origin as browsers send it, such as https://viewer.example.com or https://viewer.example.com:8443, in lower case, without path, trailing slash and default port'
