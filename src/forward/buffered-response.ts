import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { BoundedBody, requestSmall } from '../small-response.ts'

export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>> | IncomingHttpHeaders

/** Bytes of a body that are worth holding: Google's error documents are far smaller. */
export const maxHeldBytes = 64 * 1024

/**
 * An answer of Google's that the client has not seen: it may be tried again. Held whole, so that it can still be passed
 * on when no further try is made.
 */
export class BufferedResponse {
  readonly status: number
  readonly headers: UpstreamHeaders
  readonly #body = new BoundedBody(maxHeldBytes)

  constructor(status: number, headers: UpstreamHeaders) {
    this.status = status
    this.headers = headers
  }

  get body(): Buffer {
    return this.#body.bytes
  }

  /** False once the body is larger than is worth holding; this part of it is held all the same. */
  add(chunk: Buffer): boolean {
    return this.#body.add(chunk)
  }
}

/** A request of the proxy's own to Google, whose answer is a small document. */
export async function getSmallResponse(
  dispatcher: Dispatcher,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<BufferedResponse> {
  const response = await requestSmall(dispatcher, { url, method: 'GET', headers, signal, maxBytes: maxHeldBytes })
  const answer = new BufferedResponse(response.status, response.headers)
  answer.add(response.body)
  return answer
}
