import { clientGone } from '../../concurrency/abort.ts'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import type { Inbound } from '../../downstream/inbound.ts'
import { clientStalled, MinRateMonitor } from '../../downstream/min-rate.ts'

interface ClientBodyEvents {
  readonly onChunk: (chunk: Buffer) => void
  readonly onEnd: () => void
  /** {@link clientGone}, or a ProxyError. Nothing comes after it. */
  readonly onFailure: (reason: unknown) => void
}

interface ClientBodyOptions {
  readonly timeouts: Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>
  readonly progress: { received: number }
  /** Whether others wait for what this upload has. */
  readonly isContended: () => boolean
}

/** The body of a request as it arrives, until it ends or breaks. */
export class ClientBody {
  readonly #inbound: Inbound
  readonly #events: ClientBodyEvents
  readonly #options: ClientBodyOptions
  #monitor: MinRateMonitor | null = null
  #isPaused = false
  /** Since the rate was checked last. */
  #wasPaused = false
  #isOver = false

  constructor(inbound: Inbound, options: ClientBodyOptions, events: ClientBodyEvents) {
    this.#inbound = inbound
    this.#options = options
    this.#events = events
  }

  start(): void {
    const { body, response, bodyRefusal } = this.#inbound
    const { timeouts, progress, isContended } = this.#options
    const failure = bodyRefusal ?? (response.destroyed ? clientGone : null)
    if (failure) {
      this.#fail(failure)
      return
    }
    this.#inbound.whenBodyRefused((reason) => this.#fail(reason))
    this.#monitor = new MinRateMonitor(timeouts, { bytesPassed: () => progress.received, isContended }, () =>
      this.#onSlow(),
    )
    response.once('close', this.#onGone)
    body.on('error', this.#onGone)
    body.on('data', this.#onChunk)
    body.on('end', this.#onEnd)
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#isPaused = true
    this.#wasPaused = true
    this.#inbound.body.pause()
  }

  resume(): void {
    if (!this.#isPaused || this.#isOver) return
    this.#isPaused = false
    this.#inbound.body.resume()
  }

  /** Looks at no more of it. */
  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { body, response } = this.#inbound
    this.#monitor?.stop()
    this.#inbound.whenBodyRefused(null)
    response.off('close', this.#onGone)
    body.off('data', this.#onChunk)
    body.off('end', this.#onEnd)
    body.pause()
  }

  /** What waits for Google, or for memory, is not the client's delay. */
  #onSlow(): void {
    if (!this.#wasPaused) this.#fail(clientStalled())
    this.#wasPaused = this.#isPaused
  }

  #fail(reason: unknown): void {
    if (this.#isOver) return
    this.stop()
    this.#events.onFailure(reason)
  }

  readonly #onGone = () => this.#fail(clientGone)

  readonly #onChunk = (chunk: Buffer) => {
    this.#options.progress.received += chunk.length
    this.#events.onChunk(chunk)
  }

  readonly #onEnd = () => {
    this.#monitor?.stop()
    this.#events.onEnd()
  }
}
