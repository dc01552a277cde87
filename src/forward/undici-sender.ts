import type { Dispatcher } from 'undici'
import type { UpstreamTimeouts } from '../config/settings.ts'
import type { UpstreamHeaders } from './buffered-response.ts'
import type { Exchange, Outcome, Sender } from './exchange.ts'
import { ResponseRelay, type ResponseSource } from './response-relay.ts'

type Controller = Dispatcher.DispatchController

/** Requests without a body, over undici: QIDO-RS, WADO-RS, DELETE. */
export class UndiciSender implements Sender {
  readonly #dispatcher: Dispatcher
  readonly #timeouts: UpstreamTimeouts

  constructor(dispatcher: Dispatcher, timeouts: UpstreamTimeouts) {
    this.#dispatcher = dispatcher
    this.#timeouts = timeouts
  }

  send(exchange: Exchange): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const { origin, path, headers, inbound, service, remainingRetryMs } = exchange
    const limit = service === 'WADO-RS' ? this.#timeouts.response : this.#timeouts.searchResponse
    this.#dispatcher.dispatch(
      {
        origin: origin.origin,
        path,
        method: inbound.request.method as Dispatcher.HttpMethod,
        headersTimeout: Math.min(limit, remainingRetryMs ?? limit),
        headers,
      },
      new UndiciResponse(exchange, this.#timeouts, resolve),
    )
    return promise
  }
}

/** A response as undici hands it over. */
class UndiciResponse implements Dispatcher.DispatchHandler, ResponseSource {
  readonly #relay: ResponseRelay
  #controller: Controller | null = null

  constructor(exchange: Exchange, timeouts: UpstreamTimeouts, resolve: (outcome: Outcome) => void) {
    this.#relay = new ResponseRelay(exchange, this, timeouts, resolve)
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    // The client may have left while a connection was being made.
    if (this.#relay.isSettled) controller.abort(new Error('The client has left'))
  }

  onResponseStart(_: Controller, status: number, headers: UpstreamHeaders): void {
    if (status < 200) this.#relay.onInformational()
    else this.#relay.onHeaders(status, headers)
  }

  onResponseData(_: Controller, chunk: Buffer): void {
    this.#relay.onData(chunk)
  }

  onResponseEnd(): void {
    this.#relay.onEnd()
  }

  onResponseError(_: Controller, error: Error): void {
    this.#relay.onError(error)
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(reason: Error): void {
    this.#controller?.abort(reason)
  }

  /** There is no body that could be gone. */
  isReplayable(): boolean {
    return true
  }
}
