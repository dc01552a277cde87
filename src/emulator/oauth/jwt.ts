import { type KeyObject, sign, verify } from 'node:crypto'

/** The decoded parts of a JSON Web Token (RFC 7519) that is signed in compact form (RFC 7515). */
export interface Jwt {
  readonly header: { readonly alg?: unknown; readonly kid?: unknown }
  readonly claims: Readonly<Record<string, unknown>>
  readonly signingInput: string
  readonly signature: Buffer
}

/** Undefined for anything that is not three base64url parts with JSON in the first two. */
export function decodeJwt(token: string): Jwt | undefined {
  const [header, claims, signature, ...rest] = token.split('.')
  if (!header || !claims || !signature || rest.length > 0) return undefined
  try {
    return {
      header: decodePart(header),
      claims: decodePart(claims),
      signingInput: `${header}.${claims}`,
      signature: Buffer.from(signature, 'base64url'),
    }
  } catch {
    return undefined
  }
}

export function isSignedBy(jwt: Jwt, key: KeyObject): boolean {
  return jwt.header.alg === 'RS256' && verify('RSA-SHA256', Buffer.from(jwt.signingInput), key, jwt.signature)
}

export function signJwt(claims: object, key: KeyObject, kid: string): string {
  const signingInput = `${encodePart({ alg: 'RS256', typ: 'JWT', kid })}.${encodePart(claims)}`
  return `${signingInput}.${sign('RSA-SHA256', Buffer.from(signingInput), key).toString('base64url')}`
}

function decodePart(part: string): Record<string, unknown> {
  const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  if (typeof value !== 'object' || value === null) throw new SyntaxError('not an object')
  return value as Record<string, unknown>
}

function encodePart(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
