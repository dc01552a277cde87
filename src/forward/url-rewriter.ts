/**
 * URLs in responses that begin so, and what takes their place: a client that follows one must come
 * back to the proxy.
 */
export interface UrlReplacement {
  readonly from: string
  readonly to: string
}

type Headers = Readonly<Record<string, number | string | string[] | undefined>>

/**
 * Responses that name resources by URL (RetrieveURL, BulkDataURI: DICOM PS3.18 8.7, F.2): JSON and
 * XML. Instances are never touched, nor what is compressed.
 */
export function namesResources(headers: Headers): boolean {
  const type = String(headers['content-type'] ?? '')
  return (
    /^application\/(dicom\+)?(json|xml)\b|^multipart\/related;.*dicom\+xml/i.test(type) && !headers['content-encoding']
  )
}

/** Replaces one text by another in a stream of bytes. Holds back no more than the text's length. */
export class UrlRewriter {
  readonly #from: Buffer
  readonly #to: Buffer
  #carry: Buffer = Buffer.alloc(0)

  constructor({ from, to }: UrlReplacement) {
    this.#from = Buffer.from(from)
    this.#to = Buffer.from(to)
  }

  /** What can be passed on now; may be empty. */
  push(chunk: Buffer): Buffer {
    const text = this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk
    const done: Buffer[] = []
    let at = 0
    for (let found = text.indexOf(this.#from); found !== -1; found = text.indexOf(this.#from, at)) {
      done.push(text.subarray(at, found), this.#to)
      at = found + this.#from.length
    }
    const end = Math.max(at, text.length - this.#from.length + 1)
    done.push(text.subarray(at, end))
    this.#carry = text.subarray(end)
    return done.length === 1 && done[0] ? done[0] : Buffer.concat(done)
  }

  /** What was held back, once the stream has ended. */
  end(): Buffer {
    return this.#carry
  }
}
