/** Whether a text matches a pattern. */
export type Wildcard = (text: string) => boolean

/**
 * Wild card matching (PS3.4 C.2.2.2.4): `*` stands for any characters, also none, and `?` for one.
 * All places of the pattern that the text so far can have led to are followed at once, as bits: the
 * time is that of one pass, also for hostile patterns in long texts.
 */
export function compileWildcard(pattern: string): Wildcard {
  const { characters, stars } = partsOf(pattern)
  const words = Math.ceil((characters.length + 1) / wordBits)
  const loops = bits(words, stars)
  const isAny = (at: number) => characters[at] === '?'
  const others = bits(words, [...characters.keys()].filter(isAny))
  const places = Map.groupBy(characters.keys(), (at) => characters[at] ?? '')
  const steps = new Map(
    [...places].map(([character, own]) => [character, bits(words, [...characters.keys()].filter(isAny).concat(own))]),
  )
  const isOpen = hasBit(loops, characters.length)
  return (text) => {
    // A bit for each place: so many of the pattern's characters have been met.
    const reached = new Uint32Array(words)
    reached[0] = 1
    for (const character of text) {
      if (!advance(reached, steps.get(character) ?? others, loops)) return false
      if (isOpen && hasBit(reached, characters.length)) return true
    }
    return hasBit(reached, characters.length)
  }
}

export function matchesWildcard(text: string, pattern: string): boolean {
  return compileWildcard(pattern)(text)
}

export function hasWildcard(text: string): boolean {
  return /[*?]/.test(text)
}

/** So that a word and what is shifted out of it are both exact. */
const wordBits = 32

/** Characters without the asterisks, and the places that have one before them. */
function partsOf(pattern: string): { characters: string[]; stars: number[] } {
  const characters: string[] = []
  const stars: number[] = []
  for (const character of pattern) {
    if (character === '*') stars.push(characters.length)
    else characters.push(character)
  }
  return { characters, stars }
}

/** @returns false if the text can't match any more */
function advance(reached: Uint32Array, step: Uint32Array, loops: Uint32Array): boolean {
  let carry = 0
  let any = 0
  for (let at = 0; at < reached.length; at += 1) {
    const before = reached[at] ?? 0
    const moved = before & (step[at] ?? 0)
    const after = (moved << 1) | carry | (before & (loops[at] ?? 0))
    carry = moved >>> (wordBits - 1)
    reached[at] = after
    any |= after
  }
  return any !== 0
}

function bits(words: number, places: readonly number[]): Uint32Array {
  const set = new Uint32Array(words)
  for (const place of places) {
    const at = Math.floor(place / wordBits)
    set[at] = (set[at] ?? 0) | (1 << (place % wordBits))
  }
  return set
}

function hasBit(set: Uint32Array, place: number): boolean {
  return (((set[Math.floor(place / wordBits)] ?? 0) >>> (place % wordBits)) & 1) === 1
}
