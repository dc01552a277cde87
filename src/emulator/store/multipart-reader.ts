/** A part of a multipart body. `body` must be read, or left, before the next part is asked for. */
export interface Part {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Buffer>
}

/** The body does not follow RFC 2046, 5.1, or ends before its closing boundary. */
export class MultipartError extends Error {
  override readonly name = 'MultipartError'
}

const partHead = 16 * 1024
const empty: Buffer = Buffer.alloc(0)

/**
 * The parts of a multipart body as they arrive (RFC 2046, 5.1.1). No npm parser fits: those for
 * forms want a Content-Disposition in each part, and hold or copy what here are gigabytes. Preamble
 * and epilogue are skipped.
 */
export async function* readParts(source: AsyncIterable<Buffer>, boundary: string): AsyncGenerator<Part> {
  const scanner = new Scanner(source)
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  // The first boundary may stand at the very start, without the line break that belongs to all
  // others.
  scanner.prepend(Buffer.from('\r\n'))
  await exhaust(scanner.until(delimiter))
  while (!(await isClosing(scanner))) {
    const headers = await readHead(scanner)
    const body = scanner.until(delimiter)
    yield { headers, body }
    await exhaust(body)
  }
  await exhaust(scanner.rest())
}

async function isClosing(scanner: Scanner): Promise<boolean> {
  const line = await scanner.peek(2)
  return line.toString('latin1') === '--'
}

async function readHead(scanner: Scanner): Promise<Record<string, string>> {
  // White space may follow a boundary; then come its line break and the header lines, up to an
  // empty one.
  const head = await scanner.line('\r\n\r\n', partHead)
  const headers: Record<string, string> = {}
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    if (colon < 1) throw new MultipartError('A part has a malformed header line.')
    headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  return headers
}

async function exhaust(chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of chunks);
}

/** Bytes that have come but are not yet consumed, and a search over the seams between chunks. */
class Scanner {
  readonly #chunks: AsyncIterator<Buffer>
  #held: Buffer = empty

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]()
  }

  prepend(bytes: Buffer): void {
    this.#held = Buffer.concat([bytes, this.#held])
  }

  /**
   * All bytes before the boundary that `mark` begins; the mark is consumed too. Can be asked to go on
   * after it has ended: it has nothing more then.
   */
  until(mark: Buffer): AsyncIterable<Buffer> {
    const chunks = this.#until(mark)
    // A reader that breaks off must not end the search: the next part begins after the mark.
    return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) }
  }

  async *#until(mark: Buffer): AsyncGenerator<Buffer> {
    for (;;) {
      const at = this.#held.indexOf(mark)
      if (at >= 0) {
        const isDelimiter = await this.#isDelimiter(at + mark.length)
        const passed = this.#held.subarray(0, isDelimiter ? at : at + mark.length)
        this.#held = this.#held.subarray(at + mark.length)
        if (passed.length > 0) yield passed
        if (isDelimiter) return
        continue
      }
      // The mark may have begun in the last bytes: these wait for the next chunk.
      const sure = this.#held.length - mark.length + 1
      if (sure > 0) {
        const passed = this.#held.subarray(0, sure)
        this.#held = this.#held.subarray(sure)
        yield passed
      }
      yield* this.#overSeam(mark)
    }
  }

  /**
   * Whether what follows a mark makes it a boundary: the closing dashes, or a line end after white
   * space at most. Else it is content, such as the rest of a longer boundary.
   */
  async #isDelimiter(from: number): Promise<boolean> {
    for (let at = from; at - from <= partHead; at += 1) {
      while (this.#held.length < at + 2) await this.#fill()
      const next = this.#held.toString('latin1', at, at + 2)
      if (next === '\r\n' || (at === from && next === '--')) return true
      if (!/^[ \t]/.test(next)) return false
    }
    throw new MultipartError('A boundary is followed by too many spaces.')
  }

  /** Goes on to the next chunk; copies it only when the mark lies across the seam, or might. */
  async *#overSeam(mark: Buffer): AsyncGenerator<Buffer> {
    const tail = this.#held
    const chunk = await this.#next()
    const reach = mark.length - 1
    const seam = Buffer.concat([tail, chunk.subarray(0, reach)])
    if (chunk.length < reach || seam.includes(mark)) {
      this.#held = Buffer.concat([tail, chunk])
      return
    }
    this.#held = chunk
    if (tail.length > 0) yield tail
  }

  async line(end: string, bound: number): Promise<string> {
    let at = this.#held.indexOf(end)
    while (at < 0) {
      if (this.#held.length > bound) throw new MultipartError('The head of a part is too long.')
      await this.#fill()
      at = this.#held.indexOf(end)
    }
    const text = this.#held.toString('latin1', 0, at)
    this.#held = this.#held.subarray(at + end.length)
    return text
  }

  async peek(length: number): Promise<Buffer> {
    while (this.#held.length < length) await this.#fill()
    return this.#held.subarray(0, length)
  }

  async *rest(): AsyncGenerator<Buffer> {
    this.#held = empty
    for (;;) {
      const { done, value } = await this.#chunks.next()
      if (done) return
      yield value
    }
  }

  async #fill(): Promise<void> {
    this.#held = Buffer.concat([this.#held, await this.#next()])
  }

  async #next(): Promise<Buffer> {
    const { done, value } = await this.#chunks.next()
    if (done) throw new MultipartError('The body ends before its closing boundary.')
    return value
  }
}
