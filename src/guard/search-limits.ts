import { nearest } from '../config/suggestion.ts'
import { attributeKeywords, keywordFor } from './attributes.ts'
import type { Permit } from './guard.ts'
import { maxLimits, maxOffset, type SearchLevel, searchable, searchLevelOf } from './searchable.ts'

/**
 * Why Google can't do a search, and what it can search. Holds no word that only the client knows.
 */
export interface SearchAdvice {
  /** Clauses; none where the query is one that Google documents. */
  readonly problems: readonly string[]
  readonly remedy: string
}

/** Parameters that are no attributes. */
const control: ReadonlySet<string> = new Set(['accept', 'charset', 'fuzzymatching'])

/** More would hide the first. */
const maxProblems = 4
/** Of parameters and attributes in all: a request must not keep others waiting. */
const maxRead = 100
/** Each compares a name with all attributes. */
const maxSuggestions = 4

/**
 * What Google can't do of a search; null for what is none. Told by the query alone, as it was sent
 * to Google.
 */
export function adviseOnSearch({
  service,
  route,
  path,
}: Pick<Permit<never>, 'service' | 'route' | 'path'>): SearchAdvice | null {
  if (service !== 'QIDO-RS') return null
  const level = searchLevelOf(route)
  const [, query = ''] = path.split('?')
  return { problems: shortened(firstProblems(query, level)), remedy: remedyFor(level) }
}

/** One more at the most than are told. */
function firstProblems(query: string, level: SearchLevel): string[] {
  const problems = new Set<string>()
  const suggest = suggestions()
  for (const { name, value } of itemsIn(query)) {
    for (const problem of problemsOf(name, value, level, suggest)) problems.add(problem)
    if (problems.size > maxProblems) break
  }
  return [...problems]
}

/** Parameters; of `includefield`, each attribute by itself. */
function* itemsIn(query: string): Generator<{ name: string; value: string }> {
  let left = maxRead
  for (const pair of query.split('&').filter((pair) => pair !== '')) {
    const [, encodedName = '', encodedValue = ''] = /^([^=]*)=?(.*)$/s.exec(pair) ?? []
    const name = decodeURIComponent(encodedName)
    const value = decodeURIComponent(encodedValue.replaceAll('+', ' '))
    for (const item of name === 'includefield' ? value.split(',') : [value]) {
      if (left === 0) return
      left -= 1
      yield { name, value: item }
    }
  }
}

function problemsOf(name: string, value: string, level: SearchLevel, suggest: Suggest): string[] {
  if (control.has(name)) return []
  if (name === 'limit') return isNumber(value, maxLimits[level]) ? [] : [`limit can be ${maxLimits[level]} at most`]
  if (name === 'offset') return isNumber(value, maxOffset) ? [] : [`offset can be ${maxOffset} at most`]
  if (name === 'includefield') return problemsOfField(value, level, suggest)
  if (name === 'emptyvaluematching' || name === 'multiplevaluematching') return [`it has no ${name}`]
  if (name.includes('.')) return ["attributes within sequences can't be searched"]
  const keyword = keywordFor(name)
  if (!keyword) return [`an attribute is unknown${suggest(name)}`]
  if (!searchable[level].includes(keyword)) return [`${keyword} can't be searched for ${level}`]
  return problemsOfValue(keyword, value)
}

/** What Google can't do of a value of an attribute that it searches. */
export function problemsOfValue(keyword: string, value: string): string[] {
  if (/[*?]/.test(value)) return [`${keyword} has a wildcard (* or ?)`]
  if (keyword === 'StudyDate') return isDateRange(value) ? [] : ['StudyDate is neither YYYYMMDD nor a range of dates']
  const isList = /UID$|^Modality$/.test(keyword) ? /[,\\]/ : /\\/
  return isList.test(value) ? [`${keyword} has a list of values`] : []
}

/** Known attributes that Google doesn't return were left out before. */
function problemsOfField(field: string, level: SearchLevel, suggest: Suggest): string[] {
  if (field === 'all' || level === 'instances' || keywordFor(field)) return []
  return [`includefield names an attribute that searches for ${level} don't return${suggest(field)}`]
}

/** What to add of a name that is unknown. */
type Suggest = (name: string) => string

function suggestions(): Suggest {
  let left = maxSuggestions
  return (name) => {
    if (left === 0 || !/^[A-Za-z]{3,64}$/.test(name)) return ''
    left -= 1
    const near = nearest(name, attributeKeywords)
    return near === undefined ? '' : ` (did you mean ${near}?)`
  }
}

function isNumber(value: string, most: number): boolean {
  return /^\d+$/.test(value) && Number(value) <= most
}

/** An empty value matches all. */
function isDateRange(value: string): boolean {
  return value === '' || /^(\d{8}|\d{8}-|-\d{8}|\d{8}-\d{8})$/.test(value)
}

function shortened(problems: readonly string[]): readonly string[] {
  return problems.length <= maxProblems ? problems : [...problems.slice(0, maxProblems - 1), 'and so on']
}

function remedyFor(level: SearchLevel): string {
  const all = searchable[level]
  const list = `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`
  return `Search ${level} by exact values of ${list}. StudyDate also takes a range such as 20240101-20241231; with fuzzymatching=true, PatientName matches by the beginnings of its words.`
}
