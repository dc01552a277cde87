import type { BufferedResponse, UpstreamHeaders } from './buffered-response.ts'

/** Reads along while an answer of Google's passes to the client. Never throws, changes nothing, and keeps little. */
export interface ResponseObserver {
  /** The next bytes of the body, as Google sent them. */
  push(chunk: Buffer): void
  /** The body was whole. Of one that breaks off there is no end. */
  end(): void
}

/** Who reads along; null for an answer that nobody wants to know more of. Called for each answer that is passed on. */
export type ObserveResponse = (status: number, headers: UpstreamHeaders) => ResponseObserver | null

/** Has an answer read that was held back, as if it passed just now. */
export function observeBuffered(readAnswer: ObserveResponse, { status, headers, body }: BufferedResponse): void {
  const reader = readAnswer(status, headers)
  reader?.push(body)
  reader?.end()
}
