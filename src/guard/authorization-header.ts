import { Buffer } from 'node:buffer'

/** What a client says to prove who it is. Bytes and texts of the request: secrets, for no log. */
export type Login =
  | { readonly scheme: 'basic'; readonly name: string; readonly password: string }
  | { readonly scheme: 'bearer'; readonly token: string }

/** RFC 7617 2, RFC 6750 2.1; the name of a scheme in any case (RFC 9110 11.1). */
const basic = /^basic +([A-Za-z0-9+/]+={0,2})$/i
const bearer = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i

/**
 * RFC 7617 2 allows none. scrypt would ignore NUL at the end of a password: its HMAC fills short keys up with them (RFC 2104 2).
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controlCharacter = /[\x00-\x1f\x7f]/

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads an `Authorization` header; null for whatever is not a login of a kind that clients may use here. */
export function parseAuthorization(header: string): Login | null {
  const token = bearer.exec(header)?.[1]
  if (token !== undefined) return { scheme: 'bearer', token }
  const pair = decode(basic.exec(header)?.[1])
  const colon = pair?.indexOf(':') ?? -1
  if (pair === null || colon === -1 || controlCharacter.test(pair)) return null
  return { scheme: 'basic', name: pair.slice(0, colon), password: pair.slice(colon + 1) }
}

/** Two ways to write the same letters are the same password: as RFC 7617 2.1 recommends. */
function decode(base64: string | undefined): string | null {
  if (base64 === undefined) return null
  try {
    return utf8.decode(Buffer.from(base64, 'base64')).normalize('NFC')
  } catch {
    return null
  }
}
