import { type BodyRewriter, rewriteUrls, type UrlReplacement, UrlRewriter } from './url-rewriter.ts'

const none = Buffer.alloc(0)
const lineEnd = Buffer.from('\r\n')
const headersEnd = Buffer.from('\r\n\r\n')
const cr = 0x0d
const dash = 0x2d
const space = 0x20
const tab = 0x09

/** The headers of a part are far shorter. */
const maxPartHeaderBytes = 16 * 1024

/**
 * Replaces the store's URLs in the headers of a multipart body's parts, and in parts that are JSON
 * or XML (RFC 2046 5.1, DICOM PS3.18 8.6.1.2). What is in other parts passes as it came, and is
 * only searched for the end of the part: a search that takes up to 0.1 s of processor time per GiB.
 * If the first part has no URL, neither have those that follow, and nothing is searched.
 */
export class MultipartRewriter implements BodyRewriter {
  readonly #replacement: UrlReplacement
  readonly #delimiter: Buffer
  /** Of a part that is JSON or XML. */
  #part: UrlRewriter | null = null
  #isInHeaders = false
  #isFirst = true
  /** Bytes of the part that its Content-Length spares the search. */
  #unsearched = 0
  /** After the last part that may have URLs. */
  #isOver = false
  /** Held back; the body may begin with a delimiter, without the end of a line before it. */
  #carry: Buffer = lineEnd
  /** Bytes of the next output that did not come from Google. */
  #added = lineEnd.length

  constructor(boundary: string, replacement: UrlReplacement) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
    this.#replacement = replacement
  }

  push(chunk: Buffer): Buffer {
    if (this.#isOver) return chunk
    const text = this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk
    this.#carry = none
    const done: Buffer[] = []
    let at = 0
    while (at < text.length) {
      const next = this.#isInHeaders ? this.#headers(text, at, done) : this.#body(text, at, done)
      if (next === null) {
        this.#carry = text.subarray(at)
        break
      }
      at = next
    }
    return this.#joined(done)
  }

  end(): Buffer {
    const done: Buffer[] = []
    if (this.#carry.length > 0) done.push(this.#part ? this.#part.push(this.#carry) : this.#carry)
    if (this.#part) done.push(this.#part.end())
    this.#carry = none
    return this.#joined(done)
  }

  /** Returns where to go on; null if more is needed. */
  #body(text: Buffer, at: number, done: Buffer[]): number | null {
    if (this.#unsearched > 0) {
      const next = Math.min(at + this.#unsearched, text.length)
      this.#unsearched -= next - at
      done.push(text.subarray(at, next))
      return next
    }
    const found = text.indexOf(this.#delimiter, at)
    if (found === -1) {
      const end = this.#delimiterAtEnd(text, at)
      if (end > at) this.#pass(text.subarray(at, end), done)
      return end === at ? null : end
    }
    this.#pass(text.subarray(at, found), done)
    if (this.#part) done.push(this.#part.end())
    this.#part = null
    const next = found + this.#delimiter.length
    done.push(text.subarray(found, next))
    this.#isInHeaders = true
    return next
  }

  /** Returns where to go on; null if more is needed. */
  #headers(text: Buffer, at: number, done: Buffer[]): number | null {
    const isLast = text[at] === dash && text[at + 1] === dash
    const found = isLast ? -1 : text.indexOf(headersEnd, at)
    const isTooLong = (found === -1 ? text.length : found) - at > maxPartHeaderBytes
    // A longer boundary, or chance.
    const isDelimiter = [undefined, cr, space, tab, dash].includes(text[at])
    if (isLast) {
      this.#isOver = true
      done.push(text.subarray(at))
      return text.length
    }
    if (found === -1 && !isTooLong && isDelimiter) return null
    this.#isInHeaders = false
    if (isTooLong || !isDelimiter) return at
    done.push(this.#rewriteHeaders(text.toString('latin1', at, found)), headersEnd)
    const next = found + headersEnd.length
    if (!this.#isOver) return next
    done.push(text.subarray(next))
    return text.length
  }

  #rewriteHeaders(headers: string): Buffer {
    const lines = headers.split('\r\n')
    const isText = namesResources(headerIn(lines, 'content-type')) && headerIn(lines, 'content-encoding') === ''
    if (isText) this.#part = bodyRewriter(headerIn(lines, 'content-type'), this.#replacement)
    else this.#unsearched = Number(/^\d{1,15}$/.exec(headerIn(lines, 'content-length'))?.[0] ?? 0)
    this.#isOver = this.#isFirst && !isText && headerIn(lines, 'content-location') === ''
    this.#isFirst = false
    const kept = lines.flatMap((line) => {
      if (isText && /^content-length:/i.test(line)) return []
      return /^content-location:/i.test(line) ? rewriteUrls(line, this.#replacement) : line
    })
    return Buffer.from(kept.join('\r\n'), 'latin1')
  }

  #pass(bytes: Buffer, done: Buffer[]): void {
    done.push(this.#part ? this.#part.push(bytes) : bytes)
  }

  /** Where a delimiter begins whose rest may come; else the text's length. */
  #delimiterAtEnd(text: Buffer, from: number): number {
    let at = text.indexOf(cr, Math.max(from, text.length - this.#delimiter.length + 1))
    while (at !== -1 && text.compare(this.#delimiter, 0, text.length - at, at) !== 0) at = text.indexOf(cr, at + 1)
    return at === -1 ? text.length : at
  }

  #joined(done: readonly Buffer[]): Buffer {
    const all = done.length === 1 && done[0] ? done[0] : Buffer.concat(done)
    if (this.#added === 0 || all.length === 0) return all
    const { length } = all
    const bytes = all.subarray(this.#added)
    this.#added = Math.max(0, this.#added - length)
    return bytes
  }
}

/** Whether a media type is one of documents that name resources by URL (DICOM PS3.18 8.7, F.2). */
export function namesResources(type: string): boolean {
  return /^application\/(dicom\+)?(json|xml)\b/i.test(type)
}

/** For JSON or XML, by its media type. */
export function bodyRewriter(type: string, replacement: UrlReplacement): UrlRewriter {
  return new UrlRewriter(replacement, /^[^;]*xml/i.test(type) ? escapeXml : undefined)
}

function escapeXml(url: string): string {
  return url.replaceAll('&', '&amp;').replaceAll("'", '&apos;')
}

/** Empty if there is none. */
function headerIn(lines: readonly string[], name: string): string {
  const line = lines.find((line) => line.slice(0, name.length + 1).toLowerCase() === `${name}:`)
  return line?.slice(name.length + 1).trim() ?? ''
}
