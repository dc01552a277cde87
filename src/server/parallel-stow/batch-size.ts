/** How long a batch should take: long against a round trip, short against a fault that repeats it. */
const targetMs = 1_500
/** Bytes, before anything is known of the line. */
const initialBytes = 1024 * 1024
/** A batch of less is not worth a request, unless there is no more. */
const minBatchBytes = 512 * 1024
/** How far a slow batch lowers the size: it may have been the only one. */
const shrinkWeight = 1 / 2

/** Chooses the size of an account's batches, by how long the latest ones took. */
export class BatchSize {
  #maxBytes: number
  /** Bytes per millisecond over one connection. */
  #rate = initialBytes / targetMs

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  configure(maxBytes: number): void {
    this.#maxBytes = maxBytes
  }

  /** At the end of an upload, the connections end together. */
  get lastBytes(): number {
    return Math.max(minBatchBytes, this.bytes / 4)
  }

  get bytes(): number {
    return Math.min(this.#maxBytes, Math.max(minBatchBytes, this.#rate * targetMs))
  }

  /** A batch got its response, in so much time from its beginning. */
  measured(bytes: number, milliseconds: number): void {
    const change = bytes / Math.max(milliseconds, 1) - this.#rate
    this.#rate += change > 0 ? change : change * shrinkWeight
  }
}
