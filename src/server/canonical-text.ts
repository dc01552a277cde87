/** A text as all of its spellings read: percent-decoded, in one case, without accents. */
export interface CanonicalText {
  readonly characters: readonly string[]
  /** For each of them, the place of the character in the original at which its spelling begins. */
  readonly origins: readonly number[]
}

/**
 * What percent-encodings (RFC 3986 2.1) stand for; a plus is a blank, as in queries. Blanks in a
 * row are one, and what can't be seen is left out. In time proportional to the length.
 *
 * @param original its characters
 */
export function canonicalText(original: readonly string[]): CanonicalText {
  const characters: string[] = []
  const origins: number[] = []
  for (let at = 0; at < original.length; ) {
    const { text, length } = encodedAt(original, at) ?? { text: original[at] ?? '', length: 1 }
    for (const character of text.normalize('NFD')) {
      const folded = /[\s+]/.test(character) ? ' ' : fold(character)
      if (/[\p{Cc}\p{Cf}\p{M}]/u.test(folded) || (folded === ' ' && characters.at(-1) === ' ')) continue
      characters.push(folded)
      origins.push(at)
    }
    at += length
  }
  return { characters, origins }
}

/** Letters that differ in their case alone become the same. */
export function fold(character: string): string {
  return character.toLowerCase().toUpperCase().toLowerCase()
}

/** The percent-encoded character of UTF-8 at a place; null if there is none. */
function encodedAt(original: readonly string[], at: number): { text: string; length: number } | null {
  const first = byteAt(original, at)
  if (first === null) return null
  const bytes = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  const length = bytes * 3
  for (let next = at + 3; next < at + length; next += 3) {
    const byte = byteAt(original, next)
    // Checked beforehand, for exceptions are slow.
    if (byte === null || byte < 0x80 || byte > 0xbf) return null
  }
  try {
    return length === 0 ? null : { text: decodeURIComponent(original.slice(at, at + length).join('')), length }
  } catch {
    return null
  }
}

function byteAt(original: readonly string[], at: number): number | null {
  if (original[at] !== '%') return null
  const digits = `${original[at + 1] ?? ''}${original[at + 2] ?? ''}`
  return /^[\da-f]{2}$/i.test(digits) ? Number.parseInt(digits, 16) : null
}
