/** What a multipart body consists of, as it arrives. */
export interface PartVisitor {
  /**
   * @param head of the part: all that stands between its boundary and its content, with the blank
   * line
   */
  beginPart(head: Buffer): void
  /** The next bytes of the part's content. */
  data(bytes: Buffer): void
  endPart(): void
}

/** How a part's own Content-Length spares the search through it. */
export interface SkipOptions {
  /** A part that may not be skipped is searched as it comes. */
  readonly maySkip: (bytes: number) => boolean
  /** Gives back the content that was passed on of the part that arrives, as if it had not come. */
  readonly takeBack: () => Buffer
}

/** The body does not follow RFC 2046 5.1.1. The message is a problem for a person to read. */
export class MultipartError extends Error {
  override readonly name = 'MultipartError'
}

const none = Buffer.alloc(0)
const lineEnd = Buffer.from('\r\n')
const headEnd = Buffer.from('\r\n\r\n')
const cr = 0x0d
const lf = 0x0a
const dash = 0x2d
const space = 0x20
const tab = 0x09
const contentLength = /\r\nContent-Length:[ \t]*(\d{1,10})[ \t]*\r\n/i

/** The head of an instance has some hundred bytes. */
const maxHeadBytes = 16 * 1024
const maxPreambleBytes = 64 * 1024

/**
 * Finds the parts of a multipart body (RFC 2046 5.1.1) as it arrives. Their bytes are passed on as
 * they came, never copied but where a boundary may lie across two chunks. Preamble and epilogue are
 * skipped.
 *
 * A part is skipped by its own Content-Length, where that leads to a delimiter. Where it doesn't, the
 * part is searched from its beginning, and no length of this body is believed again: a body whose
 * lengths are all wrong would be searched over and over (docs/adr/0037).
 */
export class MultipartParser {
  readonly #delimiter: Buffer
  readonly #delimiterText: string
  readonly #visitor: PartVisitor
  /** Null: every part is searched. */
  #skipping: SkipOptions | null
  /** Bytes up to where the part that arrives should end; null while it is searched. */
  #left: number | null = null
  #state: 'preamble' | 'head' | 'content' | 'epilogue' = 'preamble'
  #preambleBytes = 0
  /** Not looked at yet. A body may begin with a boundary, without the line end before it. */
  #carry: Buffer = lineEnd

  constructor(boundary: string, visitor: PartVisitor, skipping: SkipOptions | null = null) {
    this.#skipping = skipping
    this.#delimiterText = `\r\n--${boundary}`
    this.#delimiter = Buffer.from(this.#delimiterText, 'latin1')
    this.#visitor = visitor
  }

  /** Throws a MultipartError. */
  push(chunk: Buffer): void {
    if (this.#state === 'epilogue') return
    const text = this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk
    this.#carry = none
    let at: number | null = 0
    while (at < text.length) {
      const next: number | null = this.#read(text, at)
      if (next === null) {
        this.#carry = text.subarray(at)
        return
      }
      at = next
    }
  }

  /** The body has ended. Throws a MultipartError if its parts have not. */
  end(): void {
    this.search()
    if (this.#state !== 'epilogue') throw new MultipartError('The body ends before its closing boundary.')
  }

  /** Searches what has come of a part that was skipped, and all that comes. Throws a MultipartError. */
  search(): void {
    const skipping = this.#skipping
    this.#skipping = null
    if (this.#left === null || skipping === null) return
    this.#left = null
    const rest = this.#carry
    this.#carry = none
    this.push(skipping.takeBack())
    if (rest.length > 0) this.push(rest)
  }

  /** Returns where to go on; null if more is needed. */
  #read(text: Buffer, at: number): number | null {
    if (this.#state === 'head') return this.#readHead(text, at)
    return this.#left === null ? this.#readContent(text, at) : this.#skip(text, at, this.#left)
  }

  /** The same for content whose length is known. */
  #skip(text: Buffer, at: number, left: number): number | null {
    if (left > 0) {
      const end = Math.min(at + left, text.length)
      this.#visitor.data(text.subarray(at, end))
      this.#left = left - (end - at)
      return end
    }
    const after = at + this.#delimiter.length
    const there = Math.min(this.#delimiter.length, text.length - at)
    const isDelimiter = text.compare(this.#delimiter, 0, there, at, at + there) === 0
    const follows = !isDelimiter ? 'text' : after < text.length ? whatFollows(text, after) : 'unknown'
    if (follows === 'unknown') return null
    if (follows === 'text') {
      this.#carry = text.subarray(at)
      this.search()
      return text.length
    }
    return this.#endContent(text, after, follows)
  }

  #endContent(text: Buffer, after: number, follows: 'part' | 'close'): number {
    this.#left = null
    if (this.#state === 'content') this.#visitor.endPart()
    this.#state = follows === 'close' ? 'epilogue' : 'head'
    return follows === 'close' ? text.length : after
  }

  /** Returns where to go on; null if more is needed. */
  #readContent(text: Buffer, at: number): number | null {
    const found = text.indexOf(this.#delimiter, at)
    const end = found === -1 ? this.#delimiterAtEnd(text, at) : found
    const after = end + this.#delimiter.length
    const follows = found === -1 ? 'unknown' : whatFollows(text, after)
    if (follows === 'text') {
      this.#pass(text.subarray(at, after))
      return after
    }
    if (end > at) this.#pass(text.subarray(at, end))
    if (follows === 'unknown') return end === at ? null : end
    return this.#endContent(text, after, follows)
  }

  /** Returns where to go on; null if more is needed. */
  #readHead(text: Buffer, at: number): number | null {
    const found = text.indexOf(headEnd, at)
    if ((found === -1 ? text.length : found) - at > maxHeadBytes)
      throw new MultipartError("A part's headers are too long.")
    if (found === -1) return null
    const end = found + headEnd.length
    const head = text.toString('latin1', at, end)
    if (head.includes(this.#delimiterText)) throw new MultipartError("A part's headers have no end.")
    this.#state = 'content'
    this.#left = this.#skippedLength(head)
    this.#visitor.beginPart(text.subarray(at, end))
    return end
  }

  #skippedLength(head: string): number | null {
    if (!this.#skipping) return null
    const length = Number(contentLength.exec(head)?.[1] ?? Number.NaN)
    return this.#skipping.maySkip(length) ? length : null
  }

  #pass(bytes: Buffer): void {
    if (this.#state === 'content') {
      this.#visitor.data(bytes)
      return
    }
    this.#preambleBytes += bytes.length
    if (this.#preambleBytes > maxPreambleBytes) {
      throw new MultipartError('The body does not begin with the boundary that its Content-Type names.')
    }
  }

  /** Where a delimiter begins whose rest may come; else the text's length. */
  #delimiterAtEnd(text: Buffer, from: number): number {
    let at = text.indexOf(cr, Math.max(from, text.length - this.#delimiter.length + 1))
    while (at !== -1 && text.compare(this.#delimiter, 0, text.length - at, at) !== 0) at = text.indexOf(cr, at + 1)
    return at === -1 ? text.length : at
  }
}

/**
 * What a delimiter is followed by: a part, the end of the body, or text that makes it none, such as
 * the rest of a longer boundary.
 */
function whatFollows(text: Buffer, from: number): 'part' | 'close' | 'text' | 'unknown' {
  if (text[from] === dash) {
    if (from + 1 === text.length) return 'unknown'
    return text[from + 1] === dash ? 'close' : 'text'
  }
  let at = from
  while (text[at] === space || text[at] === tab) at += 1
  if (at - from > maxHeadBytes) throw new MultipartError('A boundary is followed by too many spaces.')
  if (at >= text.length) return 'unknown'
  if (text[at] !== cr) return 'text'
  if (at + 1 === text.length) return 'unknown'
  return text[at + 1] === lf ? 'part' : 'text'
}
