import { isDeepStrictEqual } from 'node:util'

interface Closing {
  close(): Promise<unknown>
}

/** Something that several configurations use, because all of them want it the same; closed by the last one. */
export class Shared<Thing extends Closing | null> {
  readonly thing: Thing
  readonly #settings: unknown
  #holders = 1

  private constructor(thing: Thing, settings: unknown) {
    this.thing = thing
    this.#settings = settings
  }

  /** What there was before if that was opened by the same settings, else a new one. */
  static of<Thing extends Closing | null>(
    before: Shared<Thing> | null,
    settings: unknown,
    open: () => Thing,
  ): Shared<Thing> {
    if (!before || !isDeepStrictEqual(before.#settings, settings)) return new Shared(open(), settings)
    before.#holders += 1
    return before
  }

  async release(): Promise<void> {
    this.#holders -= 1
    if (this.#holders === 0) await this.thing?.close()
  }
}
