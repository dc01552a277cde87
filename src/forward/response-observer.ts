import { setImmediate as immediate } from 'node:timers/promises'
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

/** Bytes that take some milliseconds to be observed. */
const pieceBytes = 256 * 1024

/** `observeBuffered()` for one that may be long: others have their turn in between. */
export async function observeInPieces(observe: ObserveResponse, response: WholeResponse): Promise<void> {
  const { status, headers, body } = response
  const reader = observe(status, headers)
  for (let at = 0; reader && at < body.length; at += pieceBytes) {
    reader.push(body.subarray(at, at + pieceBytes))
    await immediate()
  }
  reader?.end()
}

/** Has a buffered response observed, as if it passed just now. */
export function observeBuffered(observe: ObserveResponse, { status, headers, body }: WholeResponse): void {
  const reader = observe(status, headers)
  reader?.push(body)
  reader?.end()
}
