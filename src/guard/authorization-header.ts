import { Buffer } from 'node:buffer'

/** The credentials of a request. Secrets: never log them. */
export type Login =
  | { readonly scheme: 'basic'; readonly name: string; readonly password: string }
  | { readonly scheme: 'bearer'; readonly token: string }

/** RFC 7617 2, RFC 6750 2.1. Scheme names are case-insensitive (RFC 9110 11.1). */
const basic = /^basic +([A-Za-z0-9+/]+={0,2})$/i
const bearer = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i

/**
 * RFC 7617 2 allows none. scrypt would ignore NUL at the end of a password, because HMAC pads short
 * keys with it (RFC 2104 2).
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controlCharacter = /[\x00-\x1f\x7f]/

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Parses an `Authorization` header; null unless it is a supported, well-formed login. */
export function parseAuthorization(header: string): Login | null {
  const token = bearer.exec(header)?.[1]
  if (token !== undefined) return { scheme: 'bearer', token }
  const pair = decode(basic.exec(header)?.[1])
  const colon = pair?.indexOf(':') ?? -1
  if (pair === null || colon === -1 || controlCharacter.test(pair)) return null
  return { scheme: 'basic', name: pair.slice(0, colon), password: pair.slice(colon + 1) }
}

/** Normalized, so that equivalent spellings are the same password (RFC 7617 2.1). */
function decode(base64: string | undefined): string | null {
  if (base64 === undefined) return null
  try {
    return utf8.decode(Buffer.from(base64, 'base64')).normalize('NFC')
  } catch {
    return null
  }
}
