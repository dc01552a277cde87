interface State {
  /** Characters of the longest text that leads here. */
  readonly length: number
  readonly next: Map<string, State>
  /**
   * The state of the longest end of that text that also occurs elsewhere; null at the beginning.
   */
  suffix: State | null
  /** Length of the longest wanted text that ends here. */
  found: number
}

/**
 * Finds several texts in another one, in time proportional to the length of all of them together:
 * by the suffix automaton of the one that is searched (Blumer et al. 1985). Searching for one after
 * the other would take the product.
 *
 * @param text its characters; two are the same if their strings are
 * @returns for each character, whether it is a part of one of the texts that were found
 */
export function occurrences(text: readonly string[], wanted: Iterable<readonly string[]>): boolean[] {
  const automaton = new SuffixAutomaton(text)
  for (const each of wanted) automaton.find(each)
  return automaton.covered()
}

class SuffixAutomaton {
  readonly #start: State = { length: 0, next: new Map(), suffix: null, found: 0 }
  /** The states of the beginnings of the text. */
  readonly #beginnings: State[] = []
  readonly #states: State[] = []

  constructor(text: readonly string[]) {
    let last = this.#start
    for (const character of text) {
      last = this.#extend(last, character)
      this.#beginnings.push(last)
    }
  }

  find(wanted: readonly string[]): void {
    let state = this.#start
    for (const character of wanted) {
      const next = state.next.get(character)
      if (!next) return
      state = next
    }
    state.found = Math.max(state.found, wanted.length)
  }

  covered(): boolean[] {
    // A text that ends at a place also ends there as a part of a longer one: shorter ones come
    // first.
    for (const state of this.#states.sort((one, other) => one.length - other.length)) {
      state.found = Math.max(state.found, state.suffix?.found ?? 0)
    }
    const covered: boolean[] = []
    let left = 0
    for (const { found } of this.#beginnings.toReversed()) {
      left = Math.max(left, found)
      covered.push(left > 0)
      left -= 1
    }
    return covered.reverse()
  }

  #extend(last: State, character: string): State {
    const added = this.#add(last.length + 1, new Map())
    let state: State | null = last
    while (state && !state.next.has(character)) {
      state.next.set(character, added)
      state = state.suffix
    }
    added.suffix = state ? this.#only(state, character) : this.#start
    return added
  }

  /**
   * The state to which a character leads from here, split off from that of longer texts that end
   * otherwise.
   */
  #only(from: State, character: string): State {
    const next = from.next.get(character) ?? this.#start
    if (next.length === from.length + 1) return next
    const split = this.#add(from.length + 1, new Map(next.next))
    split.suffix = next.suffix
    next.suffix = split
    let state: State | null = from
    while (state && state.next.get(character) === next) {
      state.next.set(character, split)
      state = state.suffix
    }
    return split
  }

  #add(length: number, next: Map<string, State>): State {
    const state: State = { length, next, suffix: null, found: 0 }
    this.#states.push(state)
    return state
  }
}
