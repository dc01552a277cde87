import { hasWildcard, matchesWildcard } from './wildcard.ts'

/** A person name in DICOM JSON (PS3.18 F.2.2). */
export interface PersonName {
  readonly Alphabetic?: string
  readonly Ideographic?: string
  readonly Phonetic?: string
}

const groups = ['Alphabetic', 'Ideographic', 'Phonetic'] as const

/**
 * Whether a name matches a key, regardless of case, which PS3.4 C.2.2.2.1 leaves open. A key without
 * `=` is compared with each component group, and one of them must match; one with `=` group by
 * group, where an empty group matches all. `^` is a character like any other, but for those at the
 * end, which say nothing (PS3.5 6.2).
 */
export function matchesPersonName(name: PersonName, key: string): boolean {
  const wanted = key.split('=').map(fold)
  const found = groups.map((group) => fold(name[group] ?? ''))
  const [only = ''] = wanted
  if (wanted.length === 1) return found.some((text) => text !== '' && matches(text, only))
  return wanted.every((text, at) => text === '' || matches(found[at] ?? '', text))
}

function matches(text: string, wanted: string): boolean {
  return hasWildcard(wanted) ? matchesWildcard(text, wanted) : text === wanted
}

/** Composed characters, in lower case, without what padding and empty components add. */
function fold(text: string): string {
  return withoutEnd(text.normalize('NFC').toLowerCase())
}

function withoutEnd(text: string): string {
  let end = text.length
  while (end > 0 && (text[end - 1] === '^' || text[end - 1] === ' ')) end -= 1
  return text.slice(0, end).trimStart()
}
