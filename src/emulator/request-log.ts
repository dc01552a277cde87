import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/**
 * One request as it reached the emulator. Tests read it to prove what did, and did not, come
 * through a proxy.
 */
export interface RecordedRequest {
  /** Epoch milliseconds at which the request's head had arrived. */
  readonly time: number
  readonly method: string
  /** The request target as sent: path and query, not decoded. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  /** Name, value, name, value… as sent, doubles included. */
  readonly rawHeaders: readonly string[]
  /** The client's port: equal for requests on one kept-alive connection. */
  readonly remotePort: number | undefined
  bodyBytes: number
  /** Whether the body arrived to its end. */
  complete: boolean
  /** Whether it is over: responded to completely, or its connection gone. */
  ended: boolean
  trailers?: NodeJS.Dict<string>
  /** Of an upload: what became of the instances that have come so far. */
  instances?: { stored: number; refused: number }
  /** The status sent; undefined while it runs, or when the connection was cut before. */
  status?: number
}

/** The last `bound` requests. Control requests (`/emulator/…`) are not among them. */
export class RequestLog {
  readonly entries: RecordedRequest[] = []
  readonly #bound: number

  constructor(bound = 10_000) {
    this.#bound = bound
  }

  record(request: IncomingMessage): RecordedRequest {
    const entry: RecordedRequest = {
      time: Date.now(),
      method: request.method ?? '',
      target: request.url ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      remotePort: request.socket.remotePort,
      bodyBytes: 0,
      complete: false,
      ended: false,
    }
    this.entries.push(entry)
    if (this.entries.length > this.#bound) this.entries.shift()
    return entry
  }

  clear(): void {
    this.entries.length = 0
  }
}
