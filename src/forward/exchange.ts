import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DicomWebService } from '../config/settings.ts'
import type { AccessToken } from '../credentials/access-token.ts'
import type { UrlReplacement } from './public-urls.ts'

/** One request of a client on its way to Google. Only read here, except that the answer is written to `response`. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly service: DicomWebService
  /** Scheme, host and port of Google's API. */
  readonly origin: URL
  /** Path and query, as the guard built them. */
  readonly path: string
  /** Allow-listed headers, without the token. */
  readonly headers: Readonly<Record<string, string>>
  /** URLs to replace in answers; null leaves them as Google wrote them. */
  readonly urls: UrlReplacement | null
  readonly progress: Progress
}

/** What has passed so far; the transports count, the request's event tells. */
export interface Progress {
  /** Body bytes from the client. */
  received: number
  /** Body bytes to the client. */
  sent: number
  /** When the first byte of Google's answer came, by `performance.now()`. */
  firstByteAt: number | null
}

/** How an exchange ended, when it did not fail with a ProxyError before an answer. */
export type Outcome =
  /** Google's answer reached the client whole. */
  | { readonly kind: 'answered'; readonly status: number }
  /** Google says 401. Nothing was sent to the client; `replayable` says whether the request can be forwarded once more. */
  | { readonly kind: 'token-rejected'; readonly replayable: boolean }
  /** It ended before its end: the client left, or Google's answer broke and the client's connection was destroyed. */
  | {
      readonly kind: 'cut'
      readonly by: 'client' | 'upstream'
      readonly status: number | null
      readonly cause?: unknown
    }

export interface Forwarder {
  /** Sends the request with this token and streams the answer. Rejects with a ProxyError while nothing was answered. */
  forward(exchange: Exchange, token: AccessToken): Promise<Outcome>
  close(): Promise<void>
}
