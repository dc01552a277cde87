import { isDeepStrictEqual } from 'node:util'

interface Closing {
  close(): Promise<unknown>
}

/** Something that several configurations use, because all of them want it the same; closed by the last one. */
export class SharedResource<Thing extends Closing | null> {
  readonly value: Thing
  readonly #settings: unknown
  #holders = 1

  private constructor(thing: Thing, settings: unknown) {
    this.value = thing
    this.#settings = settings
  }

  /** What there was before if that was opened by the same settings, else a new one. */
  static of<Thing extends Closing | null>(
    before: SharedResource<Thing> | null,
    settings: unknown,
    open: () => Thing,
  ): SharedResource<Thing> {
    if (!before || !isDeepStrictEqual(before.#settings, settings)) return new SharedResource(open(), settings)
    before.#holders += 1
    return before
  }

  async release(): Promise<void> {
    this.#holders -= 1
    if (this.#holders === 0) await this.value?.close()
  }
}
