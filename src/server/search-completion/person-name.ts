import { compileWildcard, hasWildcard, type Wildcard } from './wildcard.ts'

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
export function compilePersonName(key: string): (name: PersonName) => boolean {
  const wanted = key.split('=').map(compileGroup)
  const [only = null] = wanted
  if (wanted.length === 1) return (name) => foldedGroups(name).some((text) => text !== '' && only?.(text) === true)
  return (name) => {
    const found = foldedGroups(name)
    return wanted.every((matches, at) => matches === null || matches(found[at] ?? ''))
  }
}

/** Null matches all. */
function compileGroup(group: string): Wildcard | null {
  const wanted = fold(group)
  if (wanted === '') return null
  return hasWildcard(wanted) ? compileWildcard(wanted) : (text) => text === wanted
}

/** A name is compared with each value of a key. */
const foldedNames = new WeakMap<PersonName, readonly string[]>()

function foldedGroups(name: PersonName): readonly string[] {
  const known = foldedNames.get(name)
  if (known) return known
  const folded = groups.map((group) => fold(name[group] ?? ''))
  foldedNames.set(name, folded)
  return folded
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
