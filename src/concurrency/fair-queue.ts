import { InFlight } from './in-flight.ts'

/**
 * A queue that takes turns by key, such as a client's name: a key with many items doesn't delay one
 * with a single item.
 */
export class FairQueue<Item> {
  /** By key, in the order of their turns. */
  readonly #queues = new Map<string, InFlight<Item>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(key: string, item: Item): void {
    const queue = this.#queues.get(key) ?? new InFlight()
    queue.add(item)
    this.#queues.set(key, queue)
    this.#size += 1
  }

  /**
   * The next item. The keys with the least usage go first, in turn.
   *
   * @param usageOf how much a key has already of what its items wait for
   * @param maxUsage keys with more get no turn
   */
  take(usageOf: (key: string) => number = () => 0, maxUsage = Number.POSITIVE_INFINITY): Item | undefined {
    let least = maxUsage
    let next: string | undefined
    for (const key of this.#queues.keys()) {
      const usage = usageOf(key)
      if (usage > least || (usage === least && next !== undefined)) continue
      least = usage
      next = key
      if (usage === 0) break
    }
    return next === undefined ? undefined : this.#takeFrom(next)
  }

  #takeFrom(key: string): Item | undefined {
    const queue = this.#queues.get(key)
    const item = queue?.oldest
    if (!queue || item === undefined) return undefined
    this.remove(key, item)
    if (queue.size > 0 && this.#queues.size > 1) {
      this.#queues.delete(key)
      this.#queues.set(key, queue)
    }
    return item
  }

  /**
   * Removes the newest item of the longest queue, if that is longer than this key's would become.
   */
  evictFor(key: string): Item | undefined {
    let maxSize = (this.#queues.get(key)?.size ?? 0) + 1
    let longest: [string, InFlight<Item>] | undefined
    for (const [other, queue] of this.#queues) {
      if (queue.size <= maxSize) continue
      maxSize = queue.size
      longest = [other, queue]
    }
    const newest = longest?.[1].newest
    if (longest && newest !== undefined) this.remove(longest[0], newest)
    return newest
  }

  /** False if it is not queued any more. */
  remove(key: string, item: Item): boolean {
    const queue = this.#queues.get(key)
    if (!queue?.remove(item)) return false
    if (queue.size === 0) this.#queues.delete(key)
    this.#size -= 1
    return true
  }
}
