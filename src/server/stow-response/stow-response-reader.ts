import type { UpstreamHeaders } from '../../forward/buffered-response.ts'
import type { ResponseObserver } from '../../forward/response-observer.ts'
import type { InstanceCounts } from '../../observe/request-event.ts'
import { InstanceCounter, type ReportedInstance } from './instance-counter.ts'
import { JsonStoreParser } from './json-store-parser.ts'
import { XmlStoreParser } from './xml-store-parser.ts'

/** Gets the results of an upload, by instance and in all. */
export interface StowListener {
  /** Called for each instance as it passes: the response may still turn out to be broken. */
  onInstance?: (instance: ReportedInstance) => void
  /**
   * Called once, at the end of a response that was read completely. It isn't called for any other:
   * the outcome of its instances is unknown.
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
  const counter = new InstanceCounter(listener.onInstance ?? (() => {}))
  const parser = syntax.toLowerCase() === 'xml' ? new XmlStoreParser(counter) : new JsonStoreParser(counter)
  return new StowResponseReader(parser, counter, listener)
}

/** Stops reading at the first fault: the response passes all the same. */
class StowResponseReader implements ResponseObserver {
  #parser: JsonStoreParser | XmlStoreParser | null
  readonly #counter: InstanceCounter
  readonly #listener: StowListener
  #bytes = 0
  #bytesSinceItem = 0

  constructor(parser: JsonStoreParser | XmlStoreParser, counter: InstanceCounter, listener: StowListener) {
    this.#parser = parser
    this.#counter = counter
    this.#listener = listener
  }

  push(chunk: Buffer): void {
    this.#attempt((parser) => {
      this.#bytes += chunk.length
      if (this.#bytes > maxResponseBytes) throw new Error('The response is too long')
      const { items } = this.#counter
      parser.push(chunk)
      this.#bytesSinceItem = this.#counter.items > items ? 0 : this.#bytesSinceItem + chunk.length
      if (this.#bytesSinceItem > maxItemBytes) throw new Error('Too long an item')
    })
  }

  end(): void {
    this.#attempt((parser) => {
      parser.end()
      const { counts } = this.#counter
      if (counts) this.#listener.onCounts(counts)
    })
  }

  #attempt(read: (parser: JsonStoreParser | XmlStoreParser) => void): void {
    if (!this.#parser) return
    try {
      read(this.#parser)
    } catch {
      this.#parser = null
    }
  }
}
