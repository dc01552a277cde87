import { isDeepStrictEqual } from 'node:util'

interface Closing {
  /** Called once, after the last who took it has given it back. */
  close(): Promise<unknown>
}

/** Something that somebody works with. */
export interface Lease<Thing> {
  readonly value: Thing
  /** To be called once, when the work has ended. */
  release(): void
}

interface Use<Thing> {
  readonly thing: Thing
  takers: number
  closed: boolean
}

/**
 * Something that is replaced while it is in use: who has taken it keeps it to the end, and who
 * comes later gets the new one. The old one is closed when nobody has it any more.
 */
export class RefCounted<Thing extends Closing> {
  #current: Use<Thing>
  readonly #old = new Set<Use<Thing>>()
  readonly #closing = new Set<Promise<unknown>>()

  constructor(first: Thing) {
    this.#current = { thing: first, takers: 0, closed: false }
  }

  get current(): Thing {
    return this.#current.thing
  }

  /** The current one, and those that were replaced and are still in use. */
  get all(): readonly Thing[] {
    return [...this.#old, this.#current].map(({ thing }) => thing)
  }

  /** How many were replaced, and are still in use. */
  get retired(): number {
    return this.#old.size
  }

  acquire(): Lease<Thing> {
    const use = this.#current
    use.takers += 1
    const release = () => {
      use.takers -= 1
      if (use.takers === 0 && use !== this.#current) this.#close(use)
    }
    return { value: use.thing, release }
  }

  replace(next: Thing): void {
    const before = this.#current
    this.#current = { thing: next, takers: 0, closed: false }
    if (before.takers === 0) this.#close(before)
    else this.#old.add(before)
  }

  /** Closes the current one and all that are left, whoever still has them. */
  async close(): Promise<void> {
    for (const use of [...this.#old, this.#current]) this.#close(use)
    await Promise.all(this.#closing)
  }

  #close(use: Use<Thing>): void {
    this.#old.delete(use)
    if (use.closed) return
    use.closed = true
    const closing = use.thing.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}

interface Closing {
  close(): Promise<unknown>
}

/**
 * Something that several configurations use, because all of them want it the same; closed by the
 * last one.
 */
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
