import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RetrySettings } from '../config/settings.ts'

/**
 * What a chunk counts for at the least, in bytes: about what the smallest takes in memory. A client
 * chooses the size of its chunks, and bounds on bytes alone would let chunks of one byte take four
 * hundred times as much.
 */
const minChunkCostBytes = 512

/** How much is kept of all uploads in flight. */
export class ReplayBudget {
  #limits: Pick<RetrySettings, 'bufferPerRequest' | 'bufferTotal'>
  #inAll = 0

  constructor(limits: Pick<RetrySettings, 'bufferPerRequest' | 'bufferTotal'>) {
    this.#limits = limits
  }

  /** Other limits from now on, also for what is in flight. */
  configure(limits: Pick<RetrySettings, 'bufferPerRequest' | 'bufferTotal'>): void {
    this.#limits = limits
  }

  /** Whether an upload of which so much is kept may keep so much more; if so, it counts as kept. */
  reserve(kept: number, more: number): boolean {
    const { bufferPerRequest, bufferTotal } = this.#limits
    if (kept + more > bufferPerRequest || this.#inAll + more > bufferTotal) return false
    this.#inAll += more
    return true
  }

  release(bytes: number): void {
    this.#inAll -= bytes
  }
}

interface ReplayableRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Body bytes from the client. */
  readonly progress: { received: number }
}

/**
 * A request's body on its way to Google, of which the beginning is kept: as long as all that has
 * passed is kept, the body can be sent once more over another connection. What exceeds the limit
 * passes unkept, and the kept part is freed.
 *
 * Has the one method of a stream that http-proxy uses of its `buffer` option. Piping the request
 * itself costs nothing more than http-proxy would without it.
 */
export class ReplayBody {
  readonly #request: IncomingMessage
  readonly #keeping: ReplayBudget
  readonly #progress: ReplayableRequest['progress']
  #kept: Buffer[] | null = []
  #cost = 0
  #destination: NodeJS.WritableStream | null = null

  constructor({ request, response, progress }: ReplayableRequest, keeping: ReplayBudget) {
    this.#request = request
    this.#progress = progress
    this.#keeping = keeping
    // Nothing of it is needed once the response is out, or the client gone.
    response.once('close', () => this.#drop())
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
    this.#progress.received += chunk.length
    if (this.#kept === null) return
    const cost = Math.max(chunk.length, minChunkCostBytes)
    if (this.#keeping.reserve(this.#cost, cost)) {
      this.#kept.push(chunk)
      this.#cost += cost
    } else {
      this.#drop()
    }
  }

  #drop(): void {
    this.#keeping.release(this.#cost)
    this.#cost = 0
    this.#kept = null
  }
}
