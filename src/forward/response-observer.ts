import type { UpstreamHeaders, WholeResponse } from './buffered-response.ts'

/**
 * Observes a response of Google's as it passes to the client. Never throws, changes nothing, and
 * keeps little.
 */
export interface ResponseObserver {
  /** The next bytes of the body, as Google sent them. */
  push(chunk: Buffer): void
  /** The body was whole. Of one that breaks off there is no end. */
  end(): void
}

/**
 * The observer of a response; null when nothing is to be learnt from it. Called for each response
 * that is passed on.
 */
export type ObserveResponse = (status: number, headers: UpstreamHeaders) => ResponseObserver | null

/** Has a buffered response observed, as if it passed just now. */
export function observeBuffered(observe: ObserveResponse, { status, headers, body }: WholeResponse): void {
  const reader = observe(status, headers)
  reader?.push(body)
  reader?.end()
}
