import type { IncomingMessage } from 'node:http'
import { carriesBody } from '../forward/unread-body.ts'

/** Bytes. Chunks from this size on pass as they are. */
const large = 1024
/** Bytes that are joined at the most. */
const most = 16 * 1024
/** How long (ms) bytes wait for others while there is something unread before them. */
const patience = 50

/**
 * Joins the small chunks in which a body may come, as far as nobody waits for them. A client chooses the size of its chunks,
 * Node makes a buffer of each, and bounds its queues by bytes: a stalled upload in chunks of one byte took 125 MiB.
 */
export function joinSmallChunks(request: IncomingMessage): void {
  if (!carriesBody(request)) return
  const joined = new JoinedChunks(request)
  // What Node's parser calls with each chunk, and with null at the end.
  request.push = (chunk) => joined.push(chunk)
}

class JoinedChunks {
  readonly #request: IncomingMessage
  readonly #passOn: IncomingMessage['push']
  #bytes: Buffer | null = null
  #length = 0
  #timer: NodeJS.Timeout | null = null
  #isScheduled = false

  constructor(request: IncomingMessage) {
    this.#request = request
    this.#passOn = request.push.bind(request)
  }

  push(chunk: Buffer | null): boolean {
    if (chunk === null || chunk.length >= large) {
      this.#flush()
      return this.#passOn(chunk)
    }
    if (this.#length + chunk.length > most) this.#flush()
    this.#bytes ??= Buffer.allocUnsafeSlow(most)
    this.#length += chunk.copy(this.#bytes, this.#length)
    this.#schedule()
    // As the stream would say it now. After any other "no", nobody would say that there is room again.
    return this.#request.readableLength < this.#request.readableHighWaterMark
  }

  /** When all chunks of a packet have come, each in a turn of its own; what would only wait behind others may wait here. */
  #schedule(): void {
    if (this.#request.readableLength > 0) {
      this.#timer ??= setTimeout(this.#flush, patience)
    } else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(this.#flush)
    }
  }

  readonly #flush = () => {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#isScheduled = false
    if (this.#length === 0 || this.#bytes === null) return
    const joined = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    if (!this.#request.destroyed) this.#passOn(joined)
  }
}
