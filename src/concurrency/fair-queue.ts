import { InFlight } from './in-flight.ts'

/**
 * Who waits, in turn by whom it waits for: one with many items does not hold up one with a single
 * one.
 */
export class FairQueue<Item> {
  /** In the order of their turns. */
  readonly #lines = new Map<string, InFlight<Item>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(whose: string, item: Item): void {
    const line = this.#lines.get(whose) ?? new InFlight()
    line.add(item)
    this.#lines.set(whose, line)
    this.#size += 1
  }

  /**
   * The next one; whose it was has its next turn after all others.
   *
   * @param holds how much somebody has already of what is waited for: those who have least go first
   * @param most what the next one may have already
   */
  take(holds: (whose: string) => number = () => 0, most = Number.POSITIVE_INFINITY): Item | undefined {
    let least = most
    let next: string | undefined
    for (const whose of this.#lines.keys()) {
      const held = holds(whose)
      if (held > least || (held === least && next !== undefined)) continue
      least = held
      next = whose
      if (held === 0) break
    }
    return next === undefined ? undefined : this.#takeFrom(next)
  }

  #takeFrom(whose: string): Item | undefined {
    const line = this.#lines.get(whose)
    const item = line?.oldest
    if (!line || item === undefined) return undefined
    this.remove(whose, item)
    if (line.size > 0 && this.#lines.size > 1) {
      this.#lines.delete(whose)
      this.#lines.set(whose, line)
    }
    return item
  }

  /**
   * Takes out the newest item of whoever has the most, if that is more than this one would have
   * with another.
   */
  makeRoomFor(whose: string): Item | undefined {
    let most = (this.#lines.get(whose)?.size ?? 0) + 1
    let longest: [string, InFlight<Item>] | undefined
    for (const [other, line] of this.#lines) {
      if (line.size <= most) continue
      most = line.size
      longest = [other, line]
    }
    const newest = longest?.[1].newest
    if (longest && newest !== undefined) this.remove(longest[0], newest)
    return newest
  }

  /** False when it does not wait any more. */
  remove(whose: string, item: Item): boolean {
    const line = this.#lines.get(whose)
    if (!line?.remove(item)) return false
    if (line.size === 0) this.#lines.delete(whose)
    this.#size -= 1
    return true
  }
}
