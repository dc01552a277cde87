import type { StoreUrls } from '../stores/store-urls.ts'

/** The URLs that a client could not follow, and what takes the place of their root. */
export interface UrlReplacement {
  readonly store: StoreUrls
  /** Root of the account on the data listener, as the client reaches it; no slash at its end. */
  readonly to: string
}

/** Changes a body as it passes. */
export interface BodyRewriter {
  /** What can be passed on now; may be empty. */
  push(chunk: Buffer): Buffer
  /** What was held back, once the body has ended. */
  end(): Buffer
}

const http = Buffer.from('http')
const slash = 0x2f
const none = Buffer.alloc(0)

/**
 * Replaces the root of a store's URLs in JSON, XML or a header. Holds back no more than the longest
 * root.
 */
export class UrlRewriter implements BodyRewriter {
  readonly #store: StoreUrls
  readonly #to: Buffer
  #carry: Buffer = none
  /** The byte before what was held back. */
  #before = 0
  /** The root that was found last, with the slash after it: mostly the next one, too. */
  #known: Buffer = none

  /** @param encode writes a URL as the format requires */
  constructor({ store, to }: UrlReplacement, encode: (url: string) => string = (url) => url) {
    this.#store = store
    this.#to = Buffer.from(encode(to))
  }

  push(chunk: Buffer): Buffer {
    return this.#rewrite(this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk, false)
  }

  end(): Buffer {
    return this.#rewrite(this.#carry, true)
  }

  #rewrite(text: Buffer, isWhole: boolean): Buffer {
    const done: Buffer[] = []
    let at = 0
    let end = isWhole ? text.length : beginsAtEnd(text)
    for (let found = text.indexOf(http); found !== -1; ) {
      const isAlone = !isOfScheme(found === 0 ? this.#before : (text[found - 1] ?? 0))
      const length = isAlone ? this.#rootLength(text, found, isWhole) : 0
      if (length === null) {
        end = found
        break
      }
      if (length > 0) {
        done.push(text.subarray(at, found), this.#to)
        at = found + length
      }
      found = text.indexOf(http, found + (length || http.length))
    }
    done.push(text.subarray(at, end))
    // Nothing that is held back has been replaced.
    this.#carry = text.subarray(end)
    if (end > 0) this.#before = text[end - 1] ?? 0
    return done.length === 1 && done[0] ? done[0] : Buffer.concat(done)
  }

  #rootLength(text: Buffer, found: number, isWhole: boolean): number | null {
    const known = this.#known.length
    if (known > 0 && found + known <= text.length && text.compare(this.#known, 0, known, found, found + known) === 0)
      return known - 1
    const length = this.#store.rootLength(text.toString('latin1', found, found + this.#store.maxRootBytes), isWhole)
    if (length && text[found + length] === slash) this.#known = Buffer.from(text.subarray(found, found + length + 1))
    return length
  }
}

/** The same in one text of ASCII. */
export function rewriteUrls(text: string, replacement: UrlReplacement): string {
  const rewriter = new UrlRewriter(replacement)
  return Buffer.concat([rewriter.push(Buffer.from(text, 'latin1')), rewriter.end()]).toString('latin1')
}

/** Where the beginning of a scheme stands at the end of a text; else the text's length. */
function beginsAtEnd(text: Buffer): number {
  for (let length = Math.min(http.length - 1, text.length); length > 0; length -= 1) {
    if (text.compare(http, 0, length, text.length - length) === 0) return text.length - length
  }
  return text.length
}

/** Whether a byte before "http" makes it another word (RFC 3986 3.1). */
function isOfScheme(byte: number): boolean {
  const lower = byte | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d
}
