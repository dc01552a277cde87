import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { BoundedBody, requestSmall } from '../small-response.ts'

export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>> | IncomingHttpHeaders

/** A response that is held in memory. */
export interface WholeResponse {
  readonly status: number
  readonly headers: UpstreamHeaders
  readonly body: Buffer
}

/** Bytes of a body that are worth holding: Google's error documents are far smaller. */
export const maxBufferedBytes = 64 * 1024

/**
 * A response of Google's that the client has not seen: the request may be sent again. Held whole,
 * so that it can still be passed on when no further attempt is made.
 */
export class BufferedResponse {
  readonly status: number
  readonly headers: UpstreamHeaders
  readonly #body = new BoundedBody(maxBufferedBytes)

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

/** A request of the proxy's own to Google, whose response is a small document. */
export async function getSmallResponse(
  dispatcher: Dispatcher,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<BufferedResponse> {
  const response = await requestSmall(dispatcher, { url, method: 'GET', headers, signal, maxBytes: maxBufferedBytes })
  const buffered = new BufferedResponse(response.status, response.headers)
  buffered.add(response.body)
  return buffered
}
