import { type DataSet, isDataSet, isPersonName, type Value } from '../dicom/dicom-json.ts'
import type { Tag } from '../dicom/dictionary.ts'

/** One matching key: the path of tags to an attribute (several through sequences), and what it must be. */
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
  return wildcard(wanted).test(text)
}

/** Without regard to case, as Google does; fuzzy: each word is the beginning of a word of the name (PS3.4, C.2.2.2.1). */
function matchesName(name: string, wanted: string, fuzzy: boolean): boolean {
  if (wildcard(wanted, 'i').test(name)) return true
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

/** Dates compare as text; the end of a range includes all that begins with it (20240101- or -2024010112). */
function inRange(text: string, range: string): boolean {
  const [from = '', to = ''] = range.split('-')
  return text >= from && (to === '' || text.slice(0, to.length) <= to)
}

function wildcard(pattern: string, flags = ''): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, `${flags}s`)
}
