/** A text of any length that takes a backtracking engine long. */
export interface HostileText {
  readonly prefix: string
  /** What comes over and over. */
  readonly pump: string
  /** What makes all of it fail. */
  readonly end: string
}

/**
 * Texts that take a backtracking engine longest, built from the expression itself: what a
 * quantifier repeats, over and over, behind what leads to it and before what makes all of it fail;
 * and beginnings of the expression that are never finished.
 */
export function hostileTexts(expression: RegExp): HostileText[] {
  const found = new Map<string, HostileText>()
  for (const { prefix, pump } of new Grammar(expression).attacks()) {
    for (const end of ends) found.set(JSON.stringify([prefix, pump, end]), { prefix, pump, end })
  }
  return [...found.values()]
}

export function textOf({ prefix, pump, end }: HostileText, length: number): string {
  return prefix + pump.repeat(Math.max(1, Math.floor(length / pump.length))) + end
}

/** The last is the end of nothing. */
const ends = ['', '\n', '\0']

type Attack = Omit<HostileText, 'end'>

type Node =
  | { readonly kind: 'atom'; readonly source: string }
  | { readonly kind: 'group'; readonly choices: readonly Sequence[]; readonly consumes: boolean }
  | { readonly kind: 'repeat'; readonly body: Node; readonly min: number; readonly max: number }
type Sequence = readonly Node[]

/** Each of these may be what an atom matches. */
const alphabet = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)),
  ...['\u0085', '\u00a0', 'é', 'ſ', 'Ω', '\u200b', '\u2028', '…', '東', '\ud800', '\ufeff', '😀'],
]
/** More repetitions than a short text has. */
const many = 16
const maxExamples = 8
const maxPumps = 14

class Grammar {
  readonly #root: Sequence[]
  readonly #flags: string
  /**
   * What each atom matches of the alphabet: first what most others match, too, for that is where an
   * engine has a choice.
   */
  readonly #matches = new Map<string, readonly string[]>()

  constructor({ source, flags }: RegExp) {
    this.#flags = [...flags].filter((flag) => 'ius'.includes(flag)).join('')
    const parser = new Parser(source)
    this.#root = parser.choices()
    const scores = new Map<string, number>()
    for (const atom of parser.atoms) {
      const own = new RegExp(`^(?:${atom})$`, this.#flags)
      const found = alphabet.filter((character) => own.test(character))
      this.#matches.set(atom, found)
      for (const character of found) scores.set(character, (scores.get(character) ?? 0) + 1)
    }
    const score = (character: string) => scores.get(character) ?? 0
    for (const [atom, found] of this.#matches) {
      this.#matches.set(
        atom,
        found.toSorted((one, other) => score(other) - score(one)),
      )
    }
  }

  *attacks(): Iterable<Attack> {
    for (const sequence of this.#root) {
      for (const pump of this.#ofSequence(sequence)) if (pump !== '') yield { prefix: '', pump }
    }
    for (const sequence of this.#root) {
      // Begun again and again, and never finished.
      for (let at = 1; at < sequence.length; at += 1) {
        if (!isLong(sequence[at - 1]) && !isLong(sequence[at])) continue
        for (const pump of this.#ofSequence(sequence.slice(0, at)))
          if (pump !== '') for (const join of ['', ' ', 'a', 'a ']) yield { prefix: '', pump: pump + join }
      }
    }
    const found = [...this.#repeated(this.#root, '')]
    for (const { prefix, pump } of found) {
      yield { prefix, pump }
      yield { prefix: '', pump }
    }
    // Two that follow each other may share what they match.
    const pumps = [...new Set(found.map(({ pump }) => pump))].slice(0, maxPumps)
    for (const one of pumps) for (const other of pumps) yield { prefix: found[0]?.prefix ?? '', pump: one + other }
    if (!this.#root.flat().some(isLong)) return
    for (const [first, ...others] of this.#matches.values()) {
      if (first !== undefined) yield { prefix: '', pump: first }
      const last = others.at(-1)
      if (last !== undefined) yield { prefix: '', pump: last }
    }
  }

  /** What is repeated without a near end, and what leads to it. */
  *#repeated(choices: readonly Sequence[], before: string): Iterable<Attack> {
    for (const sequence of choices) {
      let prefix = before
      for (const node of sequence) {
        const inner = node.kind === 'repeat' ? node.body : node
        if (node.kind === 'repeat' && isLong(node)) {
          for (const pump of this.#examples(node.body)) if (pump !== '') yield { prefix, pump }
        }
        if (inner.kind === 'group') yield* this.#repeated(inner.choices, prefix)
        prefix += this.#examples(node)[0] ?? ''
      }
    }
  }

  /** Texts that a node matches; the first is the plainest. */
  #examples(node: Node): string[] {
    if (node.kind === 'atom') {
      const found = this.#matches.get(node.source) ?? []
      return distinct([found[0], found.at(-1)])
    }
    if (node.kind === 'group') {
      return node.consumes ? distinct(roundRobin(node.choices.map((sequence) => this.#ofSequence(sequence)))) : ['']
    }
    const { min, max, body } = node
    const counts = distinct([Math.max(min, 1), min, Math.min(max, Math.max(min, 1) + 1), Math.min(max, 8)])
    return distinct(this.#examples(body).flatMap((text) => counts.map((count) => text.repeat(count))))
  }

  #ofSequence(sequence: Sequence): string[] {
    const each = sequence.map((node) => this.#examples(node))
    const plain = each.map(([first = '']) => first)
    const others = each.flatMap((examples, at) => examples.slice(1).map((text) => plain.with(at, text)))
    return distinct([plain, ...others].map((parts) => parts.join('')))
  }
}

/** Whether a node may match much. */
function isLong(node: Node | undefined): boolean {
  if (node?.kind === 'group') return node.choices.flat().some(isLong)
  return node?.kind === 'repeat' && (node.max >= many || isLong(node.body))
}

/** The first of each, then the second of each, and so on. */
function roundRobin<T>(lists: readonly (readonly T[])[]): (T | undefined)[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length))
  return Array.from({ length: longest }, (_, at) => lists.map((list) => list[at])).flat()
}

function distinct<T>(items: readonly (T | undefined)[]): T[] {
  return [...new Set(items.filter((item) => item !== undefined))].slice(0, maxExamples)
}

/**
 * Reads a pattern (ECMA-262 22.2.1) as far as it matters here: what it repeats, and what stands
 * beside it.
 */
class Parser {
  readonly #source: string
  readonly atoms = new Set<string>()
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  choices(): Sequence[] {
    const all: Node[][] = [[]]
    while (this.#at < this.#source.length && !this.#sees(/\)/y)) {
      if (this.#takes(/\|/y)) all.push([])
      else if (!this.#takes(/[$^]|\\[bB]|\\[1-9]|\\k<\w+>/y)) all.at(-1)?.push(this.#quantified(this.#one()))
    }
    return all
  }

  #one(): Node {
    const group = this.#takes(/\((?:\?(?:[:=!]|<[=!]|<\w+>))?/y)
    if (group === null) {
      const source = this.#takes(/\[(?:\\.|[^\]\\])*\]|\\[pP]\{[^}]*\}|\\u\{[^}]*\}|\\u....|\\x..|\\c.|\\.|./suy)
      if (source === null) throw new Error(`Not understood: ${this.#source.slice(this.#at)}`)
      this.atoms.add(source)
      return { kind: 'atom', source }
    }
    const choices = this.choices()
    if (!this.#takes(/\)/y)) throw new Error(`Not closed: ${this.#source}`)
    return { kind: 'group', choices, consumes: !/^\(\?<?[=!]/.test(group) }
  }

  #quantified(body: Node): Node {
    const quantifier = this.#takes(/[*+?]\??|\{\d+(?:,\d*)?\}\??/y)
    if (quantifier === null) return body
    const [, least = '', comma, most] = /^\{(\d+)(,)?(\d*)/.exec(quantifier) ?? []
    if (least !== '') {
      const min = Number(least)
      return { kind: 'repeat', body, min, max: comma ? Number(most || Number.POSITIVE_INFINITY) : min }
    }
    const min = quantifier.startsWith('+') ? 1 : 0
    return { kind: 'repeat', body, min, max: quantifier.startsWith('?') ? 1 : Number.POSITIVE_INFINITY }
  }

  #sees(sticky: RegExp): string | null {
    sticky.lastIndex = this.#at
    return sticky.exec(this.#source)?.[0] ?? null
  }

  #takes(sticky: RegExp): string | null {
    const found = this.#sees(sticky)
    this.#at += found?.length ?? 0
    return found
  }
}
