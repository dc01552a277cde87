import type { IncomingMessage } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { Client } from './client.ts'
import { comesTwice } from './request-head.ts'

const maxCharacters = 256
/** What could forge or hide text in a log. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/**
 * For whom a client says that it asks; undefined if it doesn't say, or has no leave to. For log and
 * audit trail alone: it gives no rights. Throws a ProxyError for a value that no one could be sure
 * of, since a record with a wrong name is worse than none.
 */
export function userOf({ headers, rawHeaders }: Pick<IncomingMessage, 'headers' | 'rawHeaders'>, client: Client) {
  const name = client.userHeader
  const value = name === null ? undefined : headers[name]
  if (name === null || typeof value !== 'string' || value === '') return undefined
  if (comesTwice(name, rawHeaders)) throw malformed(name, 'comes more than once')
  const user = decodeUtf8(value)
  if (user === null) throw malformed(name, 'is not in UTF-8')
  if (user.length > maxCharacters) throw malformed(name, `is longer than ${maxCharacters} characters`)
  if (unprintable.test(user)) throw malformed(name, 'has control characters')
  return user
}

/** Node reads headers as Latin-1. */
function decodeUtf8(value: string): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'))
  } catch {
    return null
  }
}

function malformed(name: string, problem: string): ProxyError {
  return new ProxyError('malformed-request', {
    problem: `The header ${name}, which says for whom the client asks, ${problem}.`,
    remedy: 'Correct it in the gateway that sends it.',
  })
}
