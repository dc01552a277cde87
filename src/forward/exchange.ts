import type { DicomWebService } from '../config/settings.ts'
import type { Inbound } from '../downstream/inbound.ts'
import type { ProxyError } from '../errors.ts'
import type { BufferedResponse } from './buffered-response.ts'
import type { ReplayBody } from './replay-body.ts'
import type { ObserveResponse } from './response-observer.ts'
import type { UrlReplacement } from './url-rewriter.ts'

/**
 * One attempt to send a client's request to Google. The request is only read; the response is
 * written to `inbound.response`.
 */
export interface Exchange {
  readonly inbound: Inbound
  readonly service: DicomWebService
  /** Scheme, host and port of Google's API. */
  readonly origin: URL
  /** Path and query, as the guard built them. */
  readonly path: string
  /** Allow-listed headers, and those of the proxy: the token is among them. */
  readonly headers: Readonly<Record<string, string>>
  /** URLs to replace in responses; null leaves them as Google wrote them. */
  readonly urls: UrlReplacement | null
  /** What a success says to the client's cache; null: what Google says. */
  readonly cacheControl: string | null
  /**
   * Whether to buffer a response of this status: another attempt may be made, or its end be waited
   * for.
   */
  readonly shouldBuffer: (status: number) => boolean
  /** Which time this is that the request is sent to Google; 1 is the first. */
  readonly attempt: number
  /**
   * What is left of the time for retries, in milliseconds: the response must begin within it. Null
   * while there is no earlier response to fall back to; then only the configured timeout applies.
   */
  readonly remainingRetryMs: number | null
  /** Whether other requests wait for this exchange's slot at Google. */
  readonly isContended: () => boolean
  readonly observe: ObserveResponse
  /** The body, for all attempts to send it; null for a request without one. */
  readonly body: ReplayBody | null
  readonly progress: Progress
}

/** What has passed so far; the transports count, the request's event tells. */
export interface Progress {
  /** Body bytes from the client. */
  received: number
  /** Body bytes to the client. */
  sent: number
  /** When the first byte of Google's response came, by `performance.now()`. */
  firstByteAt: number | null
}

/** How an attempt to forward a request ended. */
export type Outcome =
  /** Google's response reached the client whole. */
  | { readonly kind: 'completed'; readonly status: number }
  /** Google's response was buffered: the client has not seen any of it. */
  | { readonly kind: 'buffered'; readonly response: BufferedResponse; readonly replayable: boolean }
  /** There was no response. */
  | { readonly kind: 'failed'; readonly error: ProxyError; readonly replayable: boolean }
  /**
   * It ended before its end: the client left, Google's response broke and the client's connection
   * was destroyed, or the proxy ended.
   */
  | {
      readonly kind: 'aborted'
      readonly by: 'client' | 'upstream' | 'proxy'
      readonly status: number | null
      readonly cause?: unknown
    }

/** Sends requests to Google. Which sender a request takes depends on whether it has a body. */
export interface Sender {
  /**
   * Sends the request and streams the response. Never rejects. A `replayable` request may be sent
   * once more: all of its body is still there, and Google can't have received the whole of it
   * without a response.
   */
  send(exchange: Exchange): Promise<Outcome>
}
