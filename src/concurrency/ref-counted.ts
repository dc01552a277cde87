import { isDeepStrictEqual } from 'node:util'

interface Closable {
  /** Called once, after the last release. */
  close(): Promise<unknown>
}

/** A hold on a value: it isn't closed before the release. */
export interface Lease<Value> {
  readonly value: Value
  /** Call this once, when the work has ended. */
  release(): void
}

interface Counted<Value> {
  readonly value: Value
  refCount: number
  closed: boolean
}

/**
 * A reference-counted value that can be replaced. Holders keep the old one until they release it;
 * later callers get the new one. The old one closes after its last release.
 */
export class RefCounted<Value extends Closable> {
  #current: Counted<Value>
  readonly #old = new Set<Counted<Value>>()
  readonly #closing = new Set<Promise<unknown>>()

  constructor(first: Value) {
    this.#current = { value: first, refCount: 0, closed: false }
  }

  get current(): Value {
    return this.#current.value
  }

  /** The current one, and those that were replaced and are still in use. */
  get all(): readonly Value[] {
    return [...this.#old, this.#current].map(({ value }) => value)
  }

  /** How many were replaced and are still in use. */
  get retired(): number {
    return this.#old.size
  }

  acquire(): Lease<Value> {
    const use = this.#current
    use.refCount += 1
    const release = () => {
      use.refCount -= 1
      if (use.refCount === 0 && use !== this.#current) this.#close(use)
    }
    return { value: use.value, release }
  }

  replace(next: Value): void {
    const before = this.#current
    this.#current = { value: next, refCount: 0, closed: false }
    if (before.refCount === 0) this.#close(before)
    else this.#old.add(before)
  }

  /** Closes the current one and all replaced ones, even if they are in use. */
  async close(): Promise<void> {
    for (const use of [...this.#old, this.#current]) this.#close(use)
    await Promise.all(this.#closing)
  }

  #close(use: Counted<Value>): void {
    this.#old.delete(use)
    if (use.closed) return
    use.closed = true
    const closing = use.value.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}

/** A resource that several configurations with equal settings share; the last release closes it. */
export class SharedResource<Value extends Closable | null> {
  readonly value: Value
  readonly #settings: unknown
  #refCount = 1

  private constructor(value: Value, settings: unknown) {
    this.value = value
    this.#settings = settings
  }

  /** The previous one if it was opened with equal settings, else a new one. */
  static of<Value extends Closable | null>(
    before: SharedResource<Value> | null,
    settings: unknown,
    open: () => Value,
  ): SharedResource<Value> {
    if (!before || !isDeepStrictEqual(before.#settings, settings)) return new SharedResource(open(), settings)
    before.#refCount += 1
    return before
  }

  async release(): Promise<void> {
    this.#refCount -= 1
    if (this.#refCount === 0) await this.value?.close()
  }
}
