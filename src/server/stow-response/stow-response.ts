import type { UpstreamHeaders } from '../../forward/buffered-response.ts'
import type { ResponseObserver } from '../../forward/response-observer.ts'
import type { InstanceCounts } from '../../observe/request-event.ts'
import { JsonResponse } from './json-response.ts'
import { type ReportedInstance, StoreResponse } from './store-response.ts'
import { XmlResponse } from './xml-response.ts'

/** Who wants to know what became of an upload's instances. */
export interface StowListener {
  /** Told of each instance as it passes: the response may still turn out to be broken. */
  onInstance?: (instance: ReportedInstance) => void
  /**
   * Told once, at the end of a response that was read to its end. Nothing is told of any other:
   * what became of it is unknown.
   */
  onCounts: (counts: InstanceCounts) => void
}

/** Statuses that come with a store response (PS3.18 10.5.3). */
const statuses: ReadonlySet<number> = new Set([200, 202, 409])

/** Bytes that are read: of more than 150,000 instances. */
const maxResponseBytes = 64 * 1024 * 1024
/** Bytes from one item to the next: hundreds of times what one needs. */
const maxItemBytes = 256 * 1024

/** Reads the response to an upload, if it is one that can be read. */
export function observeStowResponse(
  status: number,
  headers: UpstreamHeaders,
  listener: StowListener,
): ResponseObserver | null {
  if (!statuses.has(status) || headers['content-encoding'] !== undefined) return null
  const syntax = /^application\/(?:dicom\+)?(json|xml)\b/i.exec(String(headers['content-type'] ?? ''))?.[1]
  if (syntax === undefined) return null
  const response = new StoreResponse(listener.onInstance ?? (() => {}))
  const document = syntax.toLowerCase() === 'xml' ? new XmlResponse(response) : new JsonResponse(response)
  return new StowResponse(document, response, listener)
}

/** Stops reading at the first fault: the response passes all the same. */
class StowResponse implements ResponseObserver {
  #document: JsonResponse | XmlResponse | null
  readonly #response: StoreResponse
  readonly #listener: StowListener
  #bytes = 0
  #bytesSinceItem = 0

  constructor(document: JsonResponse | XmlResponse, response: StoreResponse, listener: StowListener) {
    this.#document = document
    this.#response = response
    this.#listener = listener
  }

  push(chunk: Buffer): void {
    this.#attempt((document) => {
      this.#bytes += chunk.length
      if (this.#bytes > maxResponseBytes) throw new Error('The response is too long')
      const { items } = this.#response
      document.push(chunk)
      this.#bytesSinceItem = this.#response.items > items ? 0 : this.#bytesSinceItem + chunk.length
      if (this.#bytesSinceItem > maxItemBytes) throw new Error('Too long an item')
    })
  }

  end(): void {
    this.#attempt((document) => {
      document.end()
      const { counts } = this.#response
      if (counts) this.#listener.onCounts(counts)
    })
  }

  #attempt(read: (document: JsonResponse | XmlResponse) => void): void {
    if (!this.#document) return
    try {
      read(this.#document)
    } catch {
      this.#document = null
    }
  }
}
