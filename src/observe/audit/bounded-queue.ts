/** Messages that wait, in order, within a bound. */
export class BoundedQueue {
  readonly #maxBytes: number
  #messages: Buffer[] = []
  #bytes = 0
  /** Bytes of the first one that are done. */
  #done = 0

  /** @param maxBytes bytes that are kept */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#messages.length
  }

  get first(): Buffer | undefined {
    return this.#done === 0 ? this.#messages[0] : this.#messages[0]?.subarray(this.#done)
  }

  /** Less than half of what can be kept is. */
  get isBelowHalf(): boolean {
    return this.#bytes < this.#maxBytes / 2
  }

  /**
   * False when there is no room for it.
   *
   * @param share of the room that it may use with what is there already
   */
  add(message: Buffer, share = 1): boolean {
    if (this.#bytes + message.length > this.#maxBytes * share) return false
    this.#messages.push(message)
    this.#bytes += message.length
    return true
  }

  /** What is left of the first one is done, or so many bytes of it. */
  done(bytes = this.first?.length ?? 0): void {
    const message = this.#messages[0]
    if (!message) return
    this.#done += bytes
    if (this.#done < message.length) return
    this.#bytes -= message.length
    this.#messages.shift()
    this.#done = 0
  }

  /** The first one is to be done from its beginning: what was done of it went elsewhere. */
  restart(): void {
    this.#done = 0
  }
}
