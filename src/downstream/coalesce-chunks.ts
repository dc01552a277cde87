import type { IncomingMessage } from 'node:http'
import { JoinedChunks } from './joined-chunks.ts'
import { carriesBody } from './lingering-close.ts'

/** After so many chunks, each time, it is looked how large they were. */
const lookAfter = 10_000
/** Bytes that they must have had on average. Whatever their size, each costs about as much as 16 KiB in one. */
const leastMean = 64

/**
 * Joins the small chunks of a request's body as they come in (docs/adr/0021), and ends a body that is nothing but small ones:
 * a few connections that send chunks of one byte would keep everybody else waiting.
 *
 * @param onTooSmall told once; all that still comes of the body is thrown away, and no more is read
 */
export function coalesceChunks(request: IncomingMessage, onTooSmall: () => void): void {
  if (!carriesBody(request)) return
  const passOn = request.push.bind(request)
  const joined = new JoinedChunks({
    passOn: (chunk) => {
      if (!request.destroyed) passOn(chunk)
    },
    isBehind: () => request.readableLength > 0,
  })
  const sizes = new ChunkSizes()
  // What Node's parser calls with each chunk, and with null at the end.
  request.push = (chunk: Buffer | null) => {
    if (sizes.tooSmall) return false
    if (chunk === null) {
      joined.flush()
      return passOn(null)
    }
    sizes.add(chunk.length)
    if (sizes.tooSmall) {
      joined.drop()
      onTooSmall()
      return false
    }
    joined.push(chunk)
    // As the stream would say it now. After any other "no", nobody would say that there is room again.
    return request.readableLength < request.readableHighWaterMark
  }
}

/** How large the chunks of a body are, looked at in stretches: what came before pays for none of them. */
class ChunkSizes {
  tooSmall = false
  #chunks = 0
  #bytes = 0

  add(bytes: number): void {
    this.#bytes += bytes
    this.#chunks += 1
    if (this.#chunks < lookAfter) return
    this.tooSmall = this.#bytes < leastMean * this.#chunks
    this.#chunks = 0
    this.#bytes = 0
  }
}
