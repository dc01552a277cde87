import { GoogleError } from '../google-error.ts'
import type { EmulatorResponse } from '../response.ts'

/** From the first byte up to the last one, both included. */
interface ByteRange {
  readonly first: number
  readonly last: number
}

/**
 * The part of a response that `Range` asks for (RFC 9110 14). Only a response whose length is known
 * has parts: none that is multipart. What is no single range of bytes is ignored.
 */
export function partOf(response: EmulatorResponse, range: string | undefined): EmulatorResponse {
  const { status, headers = {}, body } = response
  const length =
    typeof body === 'string' || Buffer.isBuffer(body) ? Buffer.byteLength(body) : Number(headers['content-length'])
  if (status !== 200 || body === undefined || Number.isNaN(length)) return response
  const whole = { ...response, headers: { ...headers, 'accept-ranges': 'bytes' } }
  const found = range === undefined ? undefined : parse(range, length)
  if (!found) return whole
  const { first, last } = found
  if (first > last) {
    const message = `The range ${range} is not in the ${length} bytes.`
    throw new GoogleError(416, message, { headers: { 'content-range': `bytes */${length}` } })
  }
  const size = last - first + 1
  return {
    status: 206,
    headers: { ...whole.headers, 'content-range': `bytes ${first}-${last}/${length}`, 'content-length': String(size) },
    body:
      typeof body === 'string' || Buffer.isBuffer(body)
        ? Buffer.from(body).subarray(first, last + 1)
        : cut(body, first, size),
  }
}

/** Its first byte lies behind its last one where it has none. */
function parse(text: string, length: number): ByteRange | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(text) ?? []
  if (first === '' && last === '') return undefined
  if (first === '') return { first: Number(last) === 0 ? length : Math.max(0, length - Number(last)), last: length - 1 }
  if (last !== '' && Number(last) < Number(first)) return undefined
  return { first: Number(first), last: last === '' ? length - 1 : Math.min(Number(last), length - 1) }
}

async function* cut(body: AsyncIterable<Buffer>, first: number, size: number): AsyncGenerator<Buffer> {
  let skip = first
  let left = size
  for await (const chunk of body) {
    const piece = chunk.subarray(Math.min(skip, chunk.length)).subarray(0, left)
    skip -= Math.min(skip, chunk.length)
    left -= piece.length
    if (piece.length > 0) yield piece
    if (left === 0) return
  }
}
