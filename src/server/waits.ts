import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { abortOnClose, clientGone } from '../concurrency/abort-on-close.ts'
import { abortable } from '../concurrency/abortable.ts'
import type { ConcurrencyLimiter, Slot } from '../concurrency/limiter.ts'
import type { UpstreamTimeouts } from '../config/settings.ts'
import type { AccessToken } from '../credentials/access-token.ts'
import { waitForFirstBytes } from '../downstream/first-bytes.ts'
import type { Permit } from '../guard/guard.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { ServedAccount } from './account.ts'

/** A token that runs out while a long upload is on its way would cost the whole upload. Milliseconds. */
const minimumLifeForUpload = 60_000

export interface WaitsParts {
  readonly timeouts: Pick<UpstreamTimeouts, 'idle' | 'idleBytes'>
  /** Aborts when the proxy is told to end; its reason is what those are told whose request was not sent yet. */
  readonly ending: AbortSignal
}

/** Who waits. */
interface Waiting {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly permit: Permit<ServedAccount>
  readonly event: RequestEvent
}

/**
 * What a request waits for before it is sent: a token, its body, a place at Google, the time of its next try. Each wait
 * rejects with {@link clientGone} when the client leaves, and ends when the proxy does.
 */
export class Waits {
  readonly #parts: WaitsParts

  constructor(parts: WaitsParts) {
    this.#parts = parts
  }

  /** Lets a body come, once there is a token for it; where places are scarce, an upload gets one only when its body comes. */
  async firstPlace(waiting: Waiting): Promise<Slot> {
    await this.token(waiting)
    allowBody(waiting)
    const { account, service } = waiting.permit
    if (service === 'STOW-RS' && account.limiters[service].isHalfUsed) {
      await waitForFirstBytes(waiting.request, this.#parts.timeouts, () => abortOnClose(waiting, this.#parts.ending))
    }
    // In one go with the look above: others that waited for the same token look next.
    return this.place(waiting, Number.POSITIVE_INFINITY)
  }

  /**
   * Most of the time one is free.
   *
   * @param longest milliseconds, where that is less than what is configured
   */
  place(waiting: Waiting, longest: number): Slot | Promise<Slot> {
    const { account, service } = waiting.permit
    const places = account.limiters[service]
    return places.tryAcquire(waiting.event.fairnessKey) ?? this.#placeInTurn(waiting, places, longest)
  }

  async #placeInTurn(waiting: Waiting, places: ConcurrencyLimiter, longest: number): Promise<Slot> {
    const { response, event } = waiting
    const { ending } = this.#parts
    ending.throwIfAborted()
    if (response.destroyed) throw clientGone
    const { slot, cancel } = places.acquire(event.fairnessKey, longest)
    // Not by an interruption: beyond its places, a busy account has one such wait for each request.
    const onClose = () => cancel(clientGone)
    const onEnding = () => cancel(ending.reason)
    response.once('close', onClose)
    ending.addEventListener('abort', onEnding)
    try {
      return await slot
    } finally {
      response.off('close', onClose)
      ending.removeEventListener('abort', onEnding)
    }
  }

  /** Most of the time it is there. */
  token(waiting: Waiting): AccessToken | Promise<AccessToken> {
    const { account, service } = waiting.permit
    const found = account.tokens.token(service === 'STOW-RS' ? minimumLifeForUpload : 0)
    if (found instanceof Promise) return this.#tokenToCome(waiting, found)
    waiting.event.tokenReceived()
    return found
  }

  async #tokenToCome(waiting: Waiting, coming: Promise<AccessToken>): Promise<AccessToken> {
    const token = await this.#unlessInterrupted(waiting, coming)
    waiting.event.tokenReceived()
    return token
  }

  /** False when the proxy ends meanwhile: there is no time for another try. */
  async pause(waiting: Waiting, milliseconds: number): Promise<boolean> {
    const { signal, done } = abortOnClose(waiting, this.#parts.ending)
    await delay(milliseconds, undefined, { signal }).catch(() => {})
    done()
    if (waiting.response.destroyed) throw clientGone
    return !signal.aborted
  }

  async #unlessInterrupted<Value>(waiting: Waiting, work: Promise<Value>): Promise<Value> {
    const { signal, done } = abortOnClose(waiting, this.#parts.ending)
    try {
      return await abortable(work, signal)
    } finally {
      done()
    }
  }
}

/** A client that asks before it sends (RFC 9110 10.1.1) asks us: nothing stands in the way of its body any more. */
function allowBody({ request, response }: Waiting): void {
  if (/100-continue/i.test(request.headers.expect ?? '') && request.httpVersion === '1.1') response.writeContinue()
}
