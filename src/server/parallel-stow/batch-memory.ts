/** A piece of memory that holds the bytes of parts, one after the other. */
export interface Slab {
  readonly bytes: Buffer
  /** How much of it is written. */
  used: number
  /** How many use it: parts, and who writes on. */
  uses: number
  /** Bytes of it may still wait in a socket: it must stay what it is, also when nobody uses it. */
  mayWaitInSocket: boolean
}

export const slabBytes = 256 * 1024
/** Milliseconds after which memory that nobody uses is given back to the system. */
const keepFreeMs = 10_000

/**
 * What an account's uploads hold in memory together. Bytes are copied once, into slabs that are used
 * again and again: to hold the buffers in which Node reads would cost far more, for the garbage
 * collector has to look after each of them, and the system to make each newly (docs/adr/0037).
 *
 * An upload that finds it full stops reading, and goes on in turn.
 */
export class BatchMemory {
  #maxBytes: number
  #held = 0
  readonly #free: Slab[] = []
  #freeing: NodeJS.Timeout | null = null
  readonly #waiting: (() => void)[] = []

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get held(): number {
    return this.#held
  }

  get isFull(): boolean {
    return this.#held >= this.#maxBytes
  }

  configure(maxBytes: number): void {
    this.#maxBytes = maxBytes
    this.#wake()
  }

  /** An empty slab, also if it is full: what has arrived must go somewhere. The caller uses it. */
  takeSlab(): Slab {
    this.add(slabBytes)
    const slab = this.#free.pop() ?? {
      bytes: Buffer.allocUnsafeSlow(slabBytes),
      used: 0,
      uses: 0,
      mayWaitInSocket: false,
    }
    slab.used = 0
    slab.uses = 1
    return slab
  }

  /** One use less. */
  leaveSlab(slab: Slab): void {
    slab.uses -= 1
    if (slab.uses > 0) return
    // The garbage collector frees any other, after the socket.
    if (!slab.mayWaitInSocket) this.#free.push(slab)
    this.release(slabBytes)
    this.#freeing ??= setTimeout(() => this.#freeUnused(), keepFreeMs).unref()
  }

  /** For bytes that are held elsewhere. */
  add(bytes: number): void {
    this.#held += bytes
  }

  release(bytes: number): void {
    this.#held -= bytes
    this.#wake()
  }

  /** Calls back once, when there is room and those that wait longer have had their turn. */
  whenRoom(callback: () => void): void {
    this.#waiting.push(callback)
  }

  /** Callbacks that find no more room after those before them wait on. */
  #wake(): void {
    for (let turns = this.#waiting.length; turns > 0 && !this.isFull; turns -= 1) this.#waiting.shift()?.()
  }

  #freeUnused(): void {
    this.#freeing = null
    if (this.#held === 0) this.#free.length = 0
    else this.#freeing = setTimeout(() => this.#freeUnused(), keepFreeMs).unref()
  }
}
