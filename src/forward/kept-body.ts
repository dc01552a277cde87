import type { IncomingMessage } from 'node:http'

/**
 * A request's body on its way to Google, of which the beginning is kept: as long as all that has passed is kept, the
 * body can be sent once more over another connection. What exceeds the limit passes unkept, and the kept part is freed.
 *
 * Has the one method of a stream that http-proxy uses of its `buffer` option. Piping the request itself costs nothing
 * more than http-proxy would without it.
 */
export class KeptBody {
  readonly #request: IncomingMessage
  readonly #limit: number
  readonly #count: (bytes: number) => void
  #kept: Buffer[] | null = []
  #keptBytes = 0
  #destination: NodeJS.WritableStream | null = null

  /** @param limit bytes to keep at most */
  constructor(request: IncomingMessage, limit: number, count: (bytes: number) => void) {
    this.#request = request
    this.#limit = limit
    this.#count = count
  }

  /** True while everything that has left for Google could leave once more. */
  get replayable(): boolean {
    return this.#kept !== null
  }

  pipe<Destination extends NodeJS.WritableStream>(destination: Destination): Destination {
    for (const chunk of this.#kept ?? []) destination.write(chunk)
    // The first time only: from then on each chunk is seen once, whoever it is piped to.
    if (this.#destination === null) this.#request.on('data', this.#keep)
    this.#destination = destination
    this.#request.pipe(destination)
    return destination
  }

  /** Stops sending. The client's body waits where it is. */
  unpipe(): void {
    if (this.#destination) this.#request.unpipe(this.#destination)
    this.#request.pause()
  }

  readonly #keep = (chunk: Buffer) => {
    this.#count(chunk.length)
    if (this.#kept === null) return
    this.#keptBytes += chunk.length
    if (this.#keptBytes > this.#limit) this.#kept = null
    else this.#kept.push(chunk)
  }
}
