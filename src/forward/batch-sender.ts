import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { UpstreamTimeouts } from '../config/settings.ts'
import { ProxyError } from '../errors.ts'
import { BoundedBody } from '../small-response.ts'
import type { WholeResponse } from './buffered-response.ts'
import { noResponse } from './upload.ts'
import { upstreamFailure } from './upstream-failure.ts'

/** A part of an upload, as a request of its own. */
export interface BatchRequest {
  readonly origin: URL
  /** Path and query. */
  readonly path: string
  /** With the token, without framing. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Buffer> | Iterable<Buffer>
  /** In bytes; null if it is not known yet. */
  readonly length: number | null
  /** Ends the request: it must not look whole to Google. */
  readonly signal: AbortSignal
}

export type BatchSent =
  | { readonly kind: 'response'; readonly response: WholeResponse }
  | {
      readonly kind: 'failed'
      readonly error: ProxyError
      /** Whether Google may have stored something of it. */
      readonly hasBegun: boolean
    }

/** Bytes of a response: of 30,000 instances. */
const maxResponseBytes = 16 * 1024 * 1024

/** Sends batches over undici, which brings their responses whole. */
export class BatchSender {
  readonly #dispatcher: Dispatcher
  readonly #timeouts: UpstreamTimeouts

  constructor(dispatcher: Dispatcher, timeouts: UpstreamTimeouts) {
    this.#dispatcher = dispatcher
    this.#timeouts = timeouts
  }

  /** Never rejects. */
  send(request: BatchRequest): Promise<BatchSent> {
    const { origin, path, headers, length } = request
    const { promise, resolve } = Promise.withResolvers<BatchSent>()
    const batch = new SentBatch(request, this.#timeouts, resolve)
    this.#dispatcher.dispatch(
      {
        origin: origin.origin,
        path,
        method: 'POST',
        headers: length === null ? headers : { ...headers, 'content-length': String(length) },
        body: batch.body() as unknown as Dispatcher.DispatchOptions['body'] & object,
        // Its own counts from the beginning of the request, which may take hours.
        headersTimeout: 0,
        bodyTimeout: this.#timeouts.idle,
      },
      batch,
    )
    return promise
  }
}

/** One request and its response, with their limits of time. */
class SentBatch implements Dispatcher.DispatchHandler {
  readonly #request: BatchRequest
  readonly #timeouts: UpstreamTimeouts
  readonly #settle: (sent: BatchSent) => void
  readonly #body = new BoundedBody(maxResponseBytes)
  #controller: Dispatcher.DispatchController | null = null
  #timer: NodeJS.Timeout | null = null
  #hasBegun = false
  #isSettled = false
  /** What ended it from here. */
  #reason: ProxyError | null = null
  #status = 0
  #headers: IncomingHttpHeaders = {}

  constructor(request: BatchRequest, timeouts: UpstreamTimeouts, settle: (sent: BatchSent) => void) {
    this.#request = request
    this.#timeouts = timeouts
    this.#settle = (sent) => {
      this.#isSettled = true
      this.#stopTimer()
      request.signal.removeEventListener('abort', this.#onAbort)
      settle(sent)
    }
    request.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** What undici reads. Google may take `idle` for each piece, then `response` for the response. */
  async *body(): AsyncGenerator<Buffer> {
    this.#hasBegun = true
    for await (const chunk of this.#request.body) {
      this.#startTimer(this.#timeouts.idle)
      yield chunk
      this.#stopTimer()
    }
    if (this.#status === 0) this.#startTimer(this.#timeouts.response)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#request.signal.aborted) this.#onAbort()
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return
    this.#stopTimer()
    this.#status = status
    this.#headers = headers
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#body.add(chunk)) this.#abort(tooLong())
  }

  onResponseEnd(): void {
    const response = { status: this.#status, headers: this.#headers, body: this.#body.bytes }
    this.#settle(isWhole(response) ? { kind: 'response', response } : this.#failed(endless()))
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#settle(this.#failed(this.#reason ?? upstreamFailure(error)))
  }

  #failed(error: ProxyError): BatchSent {
    return { kind: 'failed', error, hasBegun: this.#hasBegun }
  }

  #startTimer(milliseconds: number): void {
    this.#stopTimer()
    // Undici may read on for a moment after a response that came early.
    if (this.#isSettled) return
    this.#timer = setTimeout(() => this.#abort(noResponse()), milliseconds)
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  readonly #onAbort = () => this.#abort(upstreamFailure(this.#request.signal.reason))

  #abort(reason: ProxyError): void {
    this.#reason ??= reason
    this.#controller?.abort(reason)
  }
}

/**
 * Whether a success has an end that can be told from a break (RFC 9112 6.3); see response-start.ts.
 */
function isWhole({ status, headers }: WholeResponse): boolean {
  const isError = status >= 300 && status !== 409
  return isError || headers['content-length'] !== undefined || headers['transfer-encoding'] === 'chunked'
}

const checkTheWay = 'Check the outgoing proxy and BaseUrl.'

function endless(): ProxyError {
  const problem =
    'The response has neither Content-Length nor chunked encoding, so a truncated one could not be detected.'
  return new ProxyError('upstream-invalid', { problem, remedy: checkTheWay })
}

function tooLong(): ProxyError {
  return new ProxyError('upstream-invalid', { problem: 'The response is too long.', remedy: checkTheWay })
}
