/** Counts requests by kind and outcome. */
export class Counters {
  readonly #counts = new Map<string, Map<string, number>>()
  /** What must never happen; each is a sentence. */
  readonly violations: string[] = []
  /** Instances that Google refused as existing, when they were sent again. */
  readonly duplicates = { identical: 0, refused: 0 }
  /** Instances that a response called failed, without such a reason. */
  failures = 0

  count(what: string, end: string): void {
    const ends = this.#counts.get(what) ?? new Map<string, number>()
    ends.set(end, (ends.get(end) ?? 0) + 1)
    this.#counts.set(what, ends)
  }

  violation(sentence: string): void {
    this.violations.push(`${new Date().toISOString()} ${sentence}`)
  }

  get total(): number {
    return [...this.#counts.values()].flatMap((ends) => [...ends.values()]).reduce((sum, count) => sum + count, 0)
  }

  /** By request, then by outcome. */
  get counts(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries([...this.#counts].map(([what, ends]) => [what, Object.fromEntries(ends)]))
  }
}
