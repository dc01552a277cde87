import { type MediaType, mediaTypeOf } from './media-type.ts'
import type { StoreResponse } from './store-client.ts'

/** A part of a multipart response; names of headers as they are spelled. */
export interface Part {
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

export interface Multipart {
  readonly type: MediaType
  readonly parts: readonly Part[]
}

const endOfHeaders = Buffer.from('\r\n\r\n')

/** Takes a multipart response apart (RFC 2046, 5.1); null if it is none, or is not complete. */
export function multipartOf({ headers, body }: Pick<StoreResponse, 'headers' | 'body'>): Multipart | null {
  const type = mediaTypeOf(headers['content-type'])
  const { boundary } = type.parameters
  if (type.type !== 'multipart/related' || !boundary) return null
  const delimiter = Buffer.from(`--${boundary}`)
  const sections = split(Buffer.concat([Buffer.from('\r\n'), body]), Buffer.concat([Buffer.from('\r\n'), delimiter]))
  const last = sections.at(-1)
  if (sections.length < 2 || !last?.subarray(0, 2).equals(Buffer.from('--'))) return null
  return { type, parts: sections.slice(1, -1).map(partOf) }
}

function split(bytes: Buffer, separator: Buffer): Buffer[] {
  const sections: Buffer[] = []
  let from = 0
  for (let at = bytes.indexOf(separator); at !== -1; at = bytes.indexOf(separator, from)) {
    sections.push(bytes.subarray(from, at))
    from = at + separator.length
  }
  return [...sections, bytes.subarray(from)]
}

/** What follows a boundary: the rest of its line, headers, an empty line, the body. */
function partOf(section: Buffer): Part {
  const lineEnd = section.indexOf('\r\n')
  const from = lineEnd + 2
  const end = section.indexOf(endOfHeaders, lineEnd)
  const head = end === -1 ? '' : section.subarray(from, end).toString('latin1')
  const headers = head
    .split('\r\n')
    .filter((line) => line.includes(':'))
    .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
  return { headers, body: end === -1 ? Buffer.alloc(0) : section.subarray(end + endOfHeaders.length) }
}

/** A header of a part, however it is spelled. */
export function partHeader({ headers }: Part, name: string): string | undefined {
  return headers.find(([spelled]) => spelled.toLowerCase() === name)?.[1]
}

/** A multipart/related body of parts with a type each (RFC 2387), as Orthanc writes it. */
export function multipartBody(
  parts: readonly { readonly type: string; readonly location?: string; readonly bytes: Buffer }[],
  boundary: string,
): Buffer {
  const chunks = parts.flatMap(({ type, location, bytes }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Type: ${type}\r\n${location === undefined ? '' : `Content-Location: ${location}\r\n`}\r\n`,
    ),
    bytes,
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...chunks, Buffer.from(`--${boundary}--`)])
}
