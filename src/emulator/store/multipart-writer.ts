import { randomBytes } from 'node:crypto'
import type { EmulatorResponse } from '../response.ts'

export interface OutgoingPart {
  readonly type: string
  readonly location?: string
  readonly body: string | Buffer | AsyncIterable<Buffer>
}

/** A `multipart/related` response (RFC 2387), generated while it is sent. */
export function multipartResponse(type: string, parts: Iterable<OutgoingPart>): EmulatorResponse {
  const boundary = randomBytes(24).toString('hex')
  return {
    status: 200,
    headers: { 'content-type': `multipart/related; type="${type}"; boundary=${boundary}` },
    body: writeParts(parts, boundary),
  }
}

async function* writeParts(parts: Iterable<OutgoingPart>, boundary: string): AsyncGenerator<Buffer> {
  let lead = ''
  for (const { type, location, body } of parts) {
    const where = location === undefined ? '' : `Content-Location: ${location}\r\n`
    yield Buffer.from(`${lead}--${boundary}\r\nContent-Type: ${type}\r\n${where}\r\n`)
    if (typeof body === 'string' || Buffer.isBuffer(body)) yield Buffer.from(body as string)
    else yield* body
    lead = '\r\n'
  }
  yield Buffer.from(`${lead}--${boundary}--\r\n`)
}
