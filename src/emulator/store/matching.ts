import { type DataSet, isDataSet, isPersonName, type Value } from '../dicom/dicom-json.ts'
import type { Tag } from '../dicom/dictionary.ts'

/**
 * One matching key: the path of tags to an attribute (several through sequences), and what it must
 * be.
 */
export interface Match {
  readonly path: readonly Tag[]
  readonly value: string
}

const dateTimes = new Set(['DA', 'DT', 'TM'])

/** PS3.4, C.2.2.2: single value, list of UIDs, universal, wildcard, range, sequence. */
export function matchesAll(dataSet: DataSet, matches: readonly Match[], fuzzy: boolean): boolean {
  return matches.every(({ path, value }) => matchesPath(dataSet, path, value, fuzzy))
}

function matchesPath(dataSet: DataSet, [tag = '', ...rest]: readonly Tag[], wanted: string, fuzzy: boolean): boolean {
  const element = dataSet[tag]
  const values = element?.Value ?? []
  if (rest.length > 0)
    return values.some((item) => isDataSet(item ?? '') && matchesPath(item as DataSet, rest, wanted, fuzzy))
  // An empty key matches everything, also what lacks the attribute (universal matching).
  if (wanted === '' || wanted === '*') return true
  return values.some((value) => matchesValue(element?.vr ?? '', value, wanted, fuzzy))
}

function matchesValue(vr: string, value: Value, wanted: string, fuzzy: boolean): boolean {
  if (value === null) return false
  if (isPersonName(value)) return Object.values(value).some((name) => matchesName(name, wanted, fuzzy))
  const text = String(value)
  if (vr === 'UI') return wanted.split(/[\\,]/).includes(text)
  if (dateTimes.has(vr) && wanted.includes('-')) return inRange(text, wanted)
  if (typeof value === 'number') return Number(wanted) === value
  return matchesWildcard(text, wanted)
}

/**
 * Without regard to case, as Google does; fuzzy: each word is the beginning of a word of the name
 * (PS3.4, C.2.2.2.1).
 */
function matchesName(name: string, wanted: string, fuzzy: boolean): boolean {
  if (matchesWildcard(name.toLowerCase(), wanted.toLowerCase())) return true
  if (!fuzzy) return false
  const words = wordsOf(name)
  return wordsOf(wanted).every((prefix) => words.some((word) => word.startsWith(prefix)))
}

function wordsOf(name: string): string[] {
  return name
    .toLowerCase()
    .split(/[\s^=,]+/)
    .filter((word) => word !== '')
}

/**
 * Dates compare as text; the end of a range includes all that begins with it (20240101- or
 * -2024010112).
 */
function inRange(text: string, range: string): boolean {
  const [from = '', to = ''] = range.split('-')
  return text >= from && (to === '' || text.slice(0, to.length) <= to)
}

/**
 * `*` is any characters, `?` is one (PS3.4, C.2.2.2.4). The first place where a part fits is as
 * good as any other.
 */
function matchesWildcard(text: string, pattern: string): boolean {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return text.length === first.length && fits(text, first, 0)
  if (!fits(text, first, 0)) return false
  let at = first.length
  for (const part of others) {
    while (at <= text.length && !fits(text, part, at)) at += 1
    at += part.length
  }
  return at <= text.length - last.length && fits(text, last, text.length - last.length)
}

/** Whether a part without `*` stands at this place. */
function fits(text: string, part: string, at: number): boolean {
  if (at + part.length > text.length) return false
  for (let offset = 0; offset < part.length; offset += 1) {
    if (part[offset] !== '?' && part[offset] !== text[at + offset]) return false
  }
  return true
}
