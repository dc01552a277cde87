import type { BatchSize } from './batch-size.ts'
import type { Part } from './part.ts'

/** Milliseconds that the first part of a batch waits for others while a connection is free. */
const lingerMs = 20
/** Small instances cost Google more than their bytes say. */
const maxPartsPerBatch = 500

/** Complete parts that wait to be sent, and which of them make the next batch. */
export class PartQueue {
  readonly #size: BatchSize
  readonly #onReady: () => void
  readonly #parts: Part[] = []
  #bytes = 0
  #lingering: NodeJS.Timeout | null = null
  #hasLingered = false
  /** No more parts come. */
  isClosed = false

  /** @param onReady called when what is there has waited long enough for more */
  constructor(size: BatchSize, onReady: () => void) {
    this.#size = size
    this.#onReady = onReady
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0
  }

  add(part: Part): void {
    this.#parts.push(part)
    this.#bytes += part.length
  }

  /** Whether the next batch may go. */
  get isReady(): boolean {
    if (this.isEmpty) return false
    if (
      this.isClosed ||
      this.#hasLingered ||
      this.#bytes >= this.#size.bytes ||
      this.#parts.length >= maxPartsPerBatch
    ) {
      return true
    }
    this.#lingering ??= setTimeout(() => {
      this.#hasLingered = true
      this.#onReady()
    }, lingerMs)
    return false
  }

  /** The next batch: all connections end at about the same time if it is one of the last. */
  take(connections: number): Part[] {
    const { bytes, lastBytes } = this.#size
    const maxBytes = this.isClosed ? Math.min(bytes, Math.max(this.#bytes / connections, lastBytes)) : bytes
    let taken = 0
    let count = 0
    for (const { length } of this.#parts) {
      if (count === maxPartsPerBatch || (count > 0 && taken + length > maxBytes)) break
      taken += length
      count += 1
    }
    this.#bytes -= taken
    this.#stopLingering()
    return this.#parts.splice(0, count)
  }

  /** Takes all that is there. */
  clear(): Part[] {
    this.#bytes = 0
    this.#stopLingering()
    return this.#parts.splice(0)
  }

  #stopLingering(): void {
    if (this.#lingering) clearTimeout(this.#lingering)
    this.#lingering = null
    this.#hasLingered = false
  }
}
