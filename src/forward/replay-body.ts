import type { Readable } from 'node:stream'
import type { RetrySettings } from '../config/settings.ts'
import type { InboundResponse } from '../downstream/inbound.ts'

/**
 * The least that a buffered chunk counts for: about the memory that the smallest takes. A client
 * chooses the size of its chunks, and bounds on bytes alone would let chunks of one byte take four
 * hundred times as much.
 */
const minChunkCostBytes = 512

/** Bounds the bytes that are buffered for retries, per upload and in total. */
export class ReplayBudget {
  #limits: Pick<RetrySettings, 'bufferPerRequest' | 'bufferTotal'>
  #total = 0

  constructor(limits: Pick<RetrySettings, 'bufferPerRequest' | 'bufferTotal'>) {
    this.#limits = limits
  }

  /** Changes the limits, also for uploads in flight. */
  configure(limits: Pick<RetrySettings, 'bufferPerRequest' | 'bufferTotal'>): void {
    this.#limits = limits
  }

  /** Reserves more bytes for an upload that has some buffered; false if that exceeds a limit. */
  reserve(buffered: number, more: number): boolean {
    const { bufferPerRequest, bufferTotal } = this.#limits
    if (buffered + more > bufferPerRequest || this.#total + more > bufferTotal) return false
    this.#total += more
    return true
  }

  release(bytes: number): void {
    this.#total -= bytes
  }
}

interface ReplayableRequest {
  readonly body: Readable
  readonly response: Pick<InboundResponse, 'once'>
  /** Body bytes from the client. */
  readonly progress: { received: number }
}

/**
 * A request's body that is buffered as it passes to Google. While all that has passed is buffered,
 * the body can be sent again over another connection. When it exceeds the budget, the buffer is
 * freed, and the rest only passes.
 *
 * Has the one method of a stream that http-proxy uses of its `buffer` option. Piping the request
 * itself costs nothing more than http-proxy would without it.
 */
export class ReplayBody {
  readonly #body: Readable
  readonly #budget: ReplayBudget
  readonly #progress: ReplayableRequest['progress']
  #buffered: Buffer[] | null = []
  #cost = 0
  #destination: NodeJS.WritableStream | null = null

  constructor({ body, response, progress }: ReplayableRequest, budget: ReplayBudget) {
    this.#body = body
    this.#progress = progress
    this.#budget = budget
    // The buffer isn't needed once the response is out, or the client gone.
    response.once('close', () => this.#drop())
  }

  /** True while everything that was sent to Google can be sent again. */
  get replayable(): boolean {
    return this.#buffered !== null
  }

  pipe<Destination extends NodeJS.WritableStream>(destination: Destination): Destination {
    for (const chunk of this.#buffered ?? []) destination.write(chunk)
    // The first time only: from then on each chunk is seen once, whoever it is piped to.
    if (this.#destination === null) this.#body.on('data', this.#buffer)
    this.#destination = destination
    this.#body.pipe(destination)
    return destination
  }

  /** Stops sending. The client's body waits. */
  unpipe(): void {
    if (this.#destination) this.#body.unpipe(this.#destination)
    this.#body.pause()
  }

  readonly #buffer = (chunk: Buffer) => {
    this.#progress.received += chunk.length
    if (this.#buffered === null) return
    const cost = Math.max(chunk.length, minChunkCostBytes)
    if (this.#budget.reserve(this.#cost, cost)) {
      this.#buffered.push(chunk)
      this.#cost += cost
    } else {
      this.#drop()
    }
  }

  #drop(): void {
    this.#budget.release(this.#cost)
    this.#cost = 0
    this.#buffered = null
  }
}
