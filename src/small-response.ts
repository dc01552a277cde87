import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'

/**
 * Of a response to a request of the proxy's own: tokens, and what Google says of a store, have a
 * few KiB.
 */
export const maxSmallResponseBytes = 256 * 1024
/** Interim responses (RFC 9110 15.2) to one request. */
const maxInterimResponses = 100
/**
 * What a chunk costs beside its bytes, as an object: a body in chunks of one byte costs a hundred
 * times its size.
 */
const chunkOverheadBytes = 128

/** A body that is held in memory, within a bound on what it costs there. */
export class BoundedBody {
  readonly #maxBytes: number
  readonly #chunks: Buffer[] = []
  #cost = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** False once the body is larger than the bound; this part of it is held all the same. */
  add(chunk: Uint8Array): boolean {
    // Copied, because a chunk of one byte may keep all that came with it: 64 KiB of chunk
    // extensions, for instance.
    this.#chunks.push(Buffer.from(chunk))
    this.#cost += chunk.length + chunkOverheadBytes
    return this.#cost <= this.#maxBytes
  }
}

const messages = {
  ERR_RESPONSE_TOO_LARGE: 'The response is too large',
  ERR_RESPONSE_COMPRESSED: 'The response is compressed, which was ruled out',
  ERR_INTERIM_RESPONSES: 'Interim responses come without end',
  ERR_RESPONSE_STATUS: 'The status is none of HTTP',
} as const

/** A response that is not read on. `code` is for {@link networkFailureOf}. */
export class UnacceptableResponse extends Error {
  readonly code: keyof typeof messages

  constructor(code: keyof typeof messages) {
    super(messages[code])
    this.name = 'UnacceptableResponse'
    this.code = code
  }
}

/** A response that began, and did not end in time or at all; the cause says why. */
export class BrokenResponse extends Error {
  constructor(cause: Error) {
    super('The response broke off', { cause })
    this.name = 'BrokenResponse'
  }
}

/** A request of the proxy's own, whose response is small. */
export interface SmallRequest {
  readonly url: URL
  readonly method: Dispatcher.HttpMethod
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Buffer | null
  /** Ends it, the response's body included: nothing else limits the time as a whole. */
  readonly signal: AbortSignal
  /** Default {@link maxSmallResponseBytes}. */
  readonly maxBytes?: number
}

export interface SmallResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/**
 * Sends a request and reads its response whole, from any server: no more than the bound is ever
 * held, compressed bodies are refused, redirects not followed. Rejects with the reason of the
 * signal, what the connection failed of, a {@link BrokenResponse} or an {@link
 * UnacceptableResponse}.
 */
export async function requestSmall(dispatcher: Dispatcher, request: SmallRequest): Promise<SmallResponse> {
  const { url, method, headers, body = null, signal, maxBytes = maxSmallResponseBytes } = request
  signal.throwIfAborted()
  const reader = new SmallResponseReader(maxBytes)
  const onAbort = () => reader.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers: { ...headers, 'accept-encoding': 'identity' },
        body,
      },
      reader,
    )
    return await reader.response
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

class SmallResponseReader implements Dispatcher.DispatchHandler {
  readonly #body: BoundedBody
  readonly #promise = Promise.withResolvers<SmallResponse>()
  #controller: Dispatcher.DispatchController | null = null
  #abortedBy: Error | null = null
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #interimResponses = 0

  constructor(maxBytes: number) {
    this.#body = new BoundedBody(maxBytes)
  }

  get response(): Promise<SmallResponse> {
    return this.#promise.promise
  }

  /** Rejects at once: a connection that is still being made would only hear of it later. */
  abort(reason: unknown): void {
    const error = reason instanceof Error ? reason : new Error('Aborted', { cause: reason })
    this.#abortedBy ??= error
    this.#reject(error)
    this.#controller?.abort(error)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#abortedBy) controller.abort(this.#abortedBy)
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) {
      if (++this.#interimResponses > maxInterimResponses) this.#refuse('ERR_INTERIM_RESPONSES')
      return
    }
    if (status > 599) this.#refuse('ERR_RESPONSE_STATUS')
    this.#status = status
    this.#headers = headers
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    const coding = this.#headers['content-encoding'] ?? 'identity'
    if (coding !== 'identity') this.#refuse('ERR_RESPONSE_COMPRESSED')
    else if (!this.#body.add(chunk)) this.#refuse('ERR_RESPONSE_TOO_LARGE')
  }

  onResponseEnd(): void {
    this.#promise.resolve({ status: this.#status, headers: this.#headers, body: this.#body.bytes })
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error)
  }

  #reject(error: Error): void {
    const hasBegun = this.#status !== 0 && !(error instanceof UnacceptableResponse)
    this.#promise.reject(hasBegun ? new BrokenResponse(error) : error)
  }

  #refuse(code: UnacceptableResponse['code']): void {
    this.abort(new UnacceptableResponse(code))
  }
}
