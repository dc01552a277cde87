import type { IncomingHttpHeaders } from 'node:http'
import { BoundedBody } from '../small-response.ts'

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
