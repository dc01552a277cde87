import { pipeline, Transform, Writable } from 'node:stream'
import { constants, createGunzip, createGzip, type Gunzip } from 'node:zlib'
import type { Rewriting } from './response-rewriting.ts'

interface RecodingEvents {
  /** False holds the next bytes back until `resume()`. */
  readonly onData: (bytes: Buffer) => boolean
  /** There is room for more after `write()` returned false. */
  readonly onDrain: () => void
  readonly onEnd: () => void
  readonly onError: (error: Error) => void
}

/**
 * Decompresses a body, rewrites its URLs, and compresses it again for a client that takes that.
 * Memory does not depend on what the body grows to: each stage waits for the next one.
 */
export class Recoding {
  readonly #input: Gunzip = createGunzip()
  /** Goes on after the client has read. */
  #next: (() => void) | null = null

  constructor({ rewriter, isRecompressed }: Pick<Rewriting, 'rewriter' | 'isRecompressed'>, events: RecodingEvents) {
    const rewrite = new Transform({
      transform: (chunk, _encoding, done) => done(null, rewriter.push(chunk)),
      flush: (done) => done(null, rewriter.end()),
    })
    const output = new Writable({
      write: (bytes, _encoding, done) => {
        if (events.onData(bytes)) done()
        else this.#next = done
      },
    })
    this.#input.on('drain', events.onDrain)
    // Google's own ratio costs more processor time than the hospital's network saves.
    const stages = isRecompressed ? [rewrite, createGzip({ level: constants.Z_BEST_SPEED })] : [rewrite]
    pipeline([this.#input, ...stages, output], (error) => {
      if (error) events.onError(error)
      else events.onEnd()
    })
  }

  /** False: wait for `onDrain`. */
  write(chunk: Buffer): boolean {
    return this.#input.write(chunk)
  }

  get isFull(): boolean {
    return this.#input.writableNeedDrain
  }

  /** The client has read. */
  resume(): void {
    const next = this.#next
    this.#next = null
    next?.()
  }

  end(): void {
    this.#input.end()
  }

  destroy(): void {
    this.#input.destroy()
  }
}
