import type { Readable } from 'node:stream'

/** The size of chunks is checked each time after this number of them. */
const chunksPerCheck = 10_000
/**
 * Least size of these chunks on average, in bytes. A small chunk costs about as much as 16 KiB in
 * one.
 */
const minMeanBytes = 64

/**
 * Joins the small chunks of a request's body as they arrive (docs/adr/0021), and ends a body that
 * consists of small ones only: otherwise a few connections that send chunks of one byte would keep
 * everybody else waiting.
 *
 * @param onTooSmall called once; the rest of the body is discarded, and no more is read
 */
export function coalesceChunks(body: Readable, onTooSmall: () => void): void {
  const push = body.push.bind(body)
  const coalescer = new ChunkCoalescer({
    forward: (chunk) => {
      if (!body.destroyed) push(chunk)
    },
    isBehind: () => body.readableLength > 0,
  })
  const sizes = new ChunkSizes()
  // Node's parser calls this with each chunk, and with null at the end.
  body.push = (chunk: Buffer | null) => {
    if (sizes.tooSmall) return false
    if (chunk === null) {
      coalescer.flush()
      return push(null)
    }
    sizes.add(chunk.length)
    if (sizes.tooSmall) {
      coalescer.drop()
      onTooSmall()
      return false
    }
    coalescer.push(chunk)
    // Returns what the stream itself would return now. After any other false, nothing would report
    // that there is room again.
    return body.readableLength < body.readableHighWaterMark
  }
}

/**
 * Measures the chunks of a body in stretches: large ones of an earlier stretch don't make up for
 * small ones.
 */
class ChunkSizes {
  tooSmall = false
  #chunks = 0
  #bytes = 0

  add(bytes: number): void {
    this.#bytes += bytes
    this.#chunks += 1
    if (this.#chunks < chunksPerCheck) return
    this.tooSmall = this.#bytes < minMeanBytes * this.#chunks
    this.#chunks = 0
    this.#bytes = 0
  }
}

/** Bytes. Chunks from this size on pass as they are. */
const smallBelowBytes = 1024
/** A coalesced chunk has no more bytes than this. */
const maxCoalescedBytes = 16 * 1024
/** How long (ms) bytes wait for others while there is something before them. */
const maxDelayMs = 50

interface Destination {
  /** Takes coalesced chunks, and those that are large enough. */
  forward(chunk: Buffer): void
  /** Whether earlier bytes still wait: then coalescing more delays nobody. */
  isBehind(): boolean
  /** Whether to wait on after `maxDelayMs`; absent: never. */
  isBlocked?(): boolean
}

/**
 * Coalesces the small chunks of a body, as long as nobody waits for them. A body's sender chooses
 * the size of its chunks. Node makes a buffer of each, some 600 bytes for a single byte, and bounds
 * its queues by the bytes in them only.
 */
export class ChunkCoalescer {
  readonly #destination: Destination
  /** The first chunk, unchanged: most small bodies consist of one. */
  #first: Buffer | null = null
  #bytes: Buffer | null = null
  #length = 0
  #timer: NodeJS.Timeout | null = null
  #isScheduled = false

  constructor(destination: Destination) {
    this.#destination = destination
  }

  push(chunk: Buffer): void {
    if (chunk.length >= smallBelowBytes) {
      this.flush()
      this.#destination.forward(chunk)
      return
    }
    if (this.#length + chunk.length > maxCoalescedBytes) this.flush()
    if (this.#length === 0) this.#first = chunk
    else this.#append(chunk)
    this.#length += chunk.length
    this.#schedule()
  }

  /** Forwards the bytes held back: call this at the end of the body. */
  readonly flush = (): void => {
    this.#unschedule()
    if (this.#length === 0) return
    const joined = this.#first ?? Buffer.from((this.#bytes as Buffer).subarray(0, this.#length))
    this.drop()
    this.#destination.forward(joined)
  }

  /** Discards the bytes held back. */
  drop(): void {
    this.#unschedule()
    this.#first = null
    this.#length = 0
  }

  #append(chunk: Buffer): void {
    this.#bytes ??= Buffer.allocUnsafeSlow(maxCoalescedBytes)
    this.#first?.copy(this.#bytes)
    this.#first = null
    chunk.copy(this.#bytes, this.#length)
  }

  /**
   * Runs when all chunks of a packet have come, each in a turn of its own. Chunks that would only
   * wait behind others may wait here.
   */
  #schedule(): void {
    if (this.#destination.isBehind()) {
      this.#timer ??= setTimeout(this.#onMaxDelay, maxDelayMs)
    } else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(this.#onTurnOver)
    }
  }

  #unschedule(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  readonly #onTurnOver = () => {
    this.#isScheduled = false
    this.flush()
  }

  readonly #onMaxDelay = () => {
    this.#timer = null
    if (this.#length > 0 && this.#destination.isBlocked?.()) this.#schedule()
    else this.flush()
  }
}
