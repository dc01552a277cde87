/** A queue of messages, bounded in bytes. */
export class BoundedQueue {
  readonly #maxBytes: number
  #messages: Buffer[] = []
  #bytes = 0
  /** Bytes of the first message that are written. */
  #done = 0

  /** @param maxBytes of all queued messages */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#messages.length
  }

  get first(): Buffer | undefined {
    return this.#done === 0 ? this.#messages[0] : this.#messages[0]?.subarray(this.#done)
  }

  /** The queue is less than half full. */
  get isBelowHalf(): boolean {
    return this.#bytes < this.#maxBytes / 2
  }

  /**
   * False if the message doesn't fit.
   *
   * @param share of the whole queue that may be in use after adding it
   */
  add(message: Buffer, share = 1): boolean {
    if (this.#bytes + message.length > this.#maxBytes * share) return false
    this.#messages.push(message)
    this.#bytes += message.length
    return true
  }

  /** Marks the first message, or that many bytes of it, as written. */
  done(bytes = this.first?.length ?? 0): void {
    const message = this.#messages[0]
    if (!message) return
    this.#done += bytes
    if (this.#done < message.length) return
    this.#bytes -= message.length
    this.#messages.shift()
    this.#done = 0
  }

  /** The first message must be written again from its beginning. */
  restart(): void {
    this.#done = 0
  }
}
