import { type DataSet, isPersonName, type PersonName, type Value } from '../dicom/dicom-json.ts'
import type { Tag } from '../dicom/dictionary.ts'

/** One search key, and the value that it must have. */
export interface Match {
  readonly tag: Tag
  readonly value: string
}

export const studyDate: Tag = '00080020'
const patientName: Tag = '00100010'

/**
 * Exact values; for StudyDate a range, too, and for PatientName a part, if `fuzzy` (conformance
 * statement, "Search parameters").
 */
export function matchesAll(dataSet: DataSet, matches: readonly Match[], fuzzy: boolean): boolean {
  return matches.every(({ tag, value }) => matchesKey(dataSet, tag, value, fuzzy))
}

function matchesKey(dataSet: DataSet, tag: Tag, wanted: string, fuzzy: boolean): boolean {
  // An empty key matches everything, also what lacks the attribute (PS3.4, C.2.2.2.3).
  if (wanted === '') return true
  const values = dataSet[tag]?.Value ?? []
  return values.some((value) => {
    if (value === null) return false
    if (tag === studyDate) return inRange(String(value), wanted)
    if (!isPersonName(value)) return String(value) === wanted
    return tag === patientName && fuzzy ? matchesFuzzily(value, wanted) : groups(value).includes(wanted)
  })
}

/** A date, or two with a hyphen between, of which one may be missing. */
export function isRange(text: string): boolean {
  return /^(?:\d{8}(?:-(?:\d{8})?)?|-\d{8})$/.test(text)
}

function inRange(date: string, wanted: string): boolean {
  const [from = '', to = wanted.includes('-') ? '' : from] = wanted.split('-')
  return date >= from && (to === '' || date <= to)
}

/** Any word that is searched is the beginning of any word of the name. */
function matchesFuzzily(name: Value & PersonName, wanted: string): boolean {
  const words = groups(name).flatMap(wordsOf)
  return wordsOf(wanted).some((prefix) => words.some((word) => word.startsWith(prefix)))
}

function groups(name: PersonName): string[] {
  return Object.values(name)
}

/** Tokenized and normalized: without case and accents. */
function wordsOf(text: string): string[] {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  return plain.split(/[\s^=,]+/).filter((word) => word !== '')
}
