/**
 * What an account's uploads hold in memory together. Bytes are counted when they are there: an
 * upload that finds no room stops reading, and goes on in turn.
 */
export class BatchMemory {
  #maxBytes: number
  #held = 0
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
}
