import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { test } from 'tap'
import { BatchMemory } from '../../../src/server/parallel-stow/batch-memory.ts'
import { MultipartParser } from '../../../src/server/parallel-stow/multipart-parser.ts'
import type { Part } from '../../../src/server/parallel-stow/part.ts'
import { PartReader } from '../../../src/server/parallel-stow/part-reader.ts'
import type { StreamedPart } from '../../../src/server/parallel-stow/streamed-part.ts'

const kiB = 1024
const boundary = 'boundary'
const memoryBytes = 8 * 1024 * kiB
/** What Node's sockets hold before a write has to be waited for. */
const maxInSocket = 64 * kiB

/** One attempt to send a part: what a socket makes of the pieces, which it may copy late. */
class Attempt {
  readonly #body: AsyncIterator<Buffer>
  readonly #copied: Buffer[] = []
  #inSocket: Buffer[] = []
  isWhole = false
  #isBroken = false
  #pending: Promise<void> | null = null

  constructor(part: StreamedPart) {
    this.#body = part.body()[Symbol.asyncIterator]()
  }

  /** Asks for the next piece, which may be a long time coming. */
  read(): void {
    if (this.#pending || this.isWhole || this.#isBroken) return
    this.#pending = this.#body.next().then(
      ({ done, value }) => {
        this.#pending = null
        this.isWhole = done === true
        if (!done) this.#inSocket.push(value)
        if (this.isWhole || this.#inSocket.reduce((sum, { length }) => sum + length, 0) > maxInSocket) this.#flush()
      },
      () => {
        this.#pending = null
        this.#isBroken = true
      },
    )
  }

  #flush(): void {
    this.#copied.push(...this.#inSocket.map((piece) => Buffer.from(piece)))
    this.#inSocket = []
  }

  get sent(): Buffer {
    return Buffer.concat(this.#copied)
  }
}

type Step =
  | { readonly does: 'come'; readonly bytes: number }
  | { readonly does: 'read'; readonly pieces: number }
  | { readonly does: 'send again' | 'dead one reads' | 'memory fills' | 'memory empties' | 'others write' }

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 150 * kiB }).map((bytes): Step => ({ does: 'come', bytes })) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 6 }).map((pieces): Step => ({ does: 'read', pieces })) },
  { weight: 2, arbitrary: fc.constant<Step>({ does: 'send again' }) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('dead one reads', 'memory fills', 'memory empties', 'others write')
      .map((does) => ({ does }) as Step),
  },
)

/** No two places of it are alike. */
function contentOf(bytes: number): Buffer {
  const content = Buffer.alloc(bytes)
  for (let at = 0; at + 4 <= bytes; at += 4) content.writeUInt32BE(Math.imul(at, 2654435761) >>> 0, at)
  return content
}

test('an instance that passes arrives as it was sent, whenever it is sent again', async (t) => {
  let whole = 0
  let repeated = 0
  let gone = 0
  const check = async (maxPartBytes: number, more: number, steps: readonly Step[]) => {
    const memory = new BatchMemory(memoryBytes)
    let streamed: StreamedPart | undefined
    const parts: Part[] = []
    const reader = new PartReader({
      boundary,
      memory,
      maxPartBytes,
      isHashed: false,
      onPart: (part) => parts.push(part),
      onStream: (part) => {
        streamed = part
      },
      onFull: () => {},
      onDrain: () => {},
    })
    const parser = new MultipartParser(boundary, reader, reader)
    const content = contentOf(maxPartBytes + more)
    const body = Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`),
      content,
      Buffer.from(`\r\n--${boundary}--`),
    ])
    let come = 0
    const receive = (bytes: number) => {
      const end = Math.min(come + bytes, body.length)
      if (end > come) parser.push(Buffer.from(body.subarray(come, end)))
      come = end
    }
    while (!streamed) receive(60 * kiB)
    const part = streamed
    let attempt = new Attempt(part)
    const dead: Attempt[] = []
    let ofOthers = 0
    for (const step of steps) {
      if (step.does === 'come') receive(step.bytes)
      else if (step.does === 'read') {
        for (let piece = 0; piece < step.pieces; piece += 1) {
          attempt.read()
          await turn()
        }
      } else if (step.does === 'dead one reads') dead.at(-1)?.read()
      else if (step.does === 'memory fills') {
        memory.add(memoryBytes)
        ofOthers += memoryBytes
      } else if (step.does === 'memory empties') {
        memory.release(ofOthers)
        ofOthers = 0
      } else if (step.does === 'others write') {
        const slabs = [memory.takeSlab(), memory.takeSlab()]
        for (const slab of slabs) slab.bytes.fill(0xee)
        for (const slab of slabs) memory.leaveSlab(slab)
      } else {
        if (!part.rewind()) continue
        repeated += 1
        dead.push(attempt)
        attempt = new Attempt(part)
      }
      await turn()
    }
    receive(body.length)
    for (let reads = 0; !attempt.isWhole && reads < 10_000; reads += 1) {
      attempt.read()
      await turn()
    }
    if (!attempt.isWhole) throw new Error('It has no end')
    if (!attempt.sent.equals(body)) throw new Error(`${attempt.sent.length} bytes instead of ${body.length}`)
    const kept = part.content
    if (kept && !Buffer.concat([...kept]).equals(content)) throw new Error('What is kept is not what came')
    if (dead.some(({ isWhole }) => isWhole) && !part.isSentWhole) throw new Error('It was sent before')
    whole += 1
    if (!kept) gone += 1
    parser.end()
    part.discard()
    reader.discard()
    memory.release(ofOthers)
    if (memory.held !== 0) throw new Error(`${memory.held} bytes are not given back`)
  }
  const anyMaxPartBytes = fc.constantFrom(64 * kiB, 300 * kiB)
  const anyMore = fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 4096 * kiB }))
  await fc.assert(
    fc.asyncProperty(anyMaxPartBytes, anyMore, fc.array(anyStep, { maxLength: 60, size: 'max' }), check),
    { numRuns: 100 },
  )
  t.ok(whole >= 100 && repeated > 0 && gone > 0, `${whole}, ${repeated} times again, ${gone} without what came first`)
})
