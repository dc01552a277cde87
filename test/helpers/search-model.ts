import { keywordOf, type Tag, tagOf } from '../../src/emulator/dicom/dictionary.ts'
import { isAvailable, isSearchable, type Level, returned } from '../../src/emulator/store/searchable.ts'
import { attributes } from '../../src/guard/attributes.ts'
import {
  type Attribute,
  type DataSet,
  isUniversal,
  type MatchingKey,
  matchesAttribute,
  matchesDataSet,
  rangeOf,
} from './search-matching.ts'

/** A search as a client means it: what `studies/S/series?NAME=VALUE` says once it is decoded. */
export interface ModelSearch {
  readonly level: Level
  readonly study?: string
  readonly series?: string
  readonly query: readonly (readonly [name: string, value: string])[]
  /** Without SearchCompletion, Google refuses what it can't do. Default: true. */
  readonly completion?: boolean
}

export type ModelResponse =
  | { readonly kind: 'refused' }
  | {
      readonly kind: 'rows'
      readonly rows: readonly DataSet[]
      /** How many of this level there are where the search looks. */
      readonly total: number
    }

/**
 * What a search returns with SearchCompletion, by PS3.18 8.3.4 and docs/search.md: which keys there
 * are, what they match, and what the rows have. `instances` have all of their attributes, in
 * Google's order; a study or series is its first instance.
 */
export function searchModel(instances: readonly DataSet[], search: ModelSearch): ModelResponse {
  const { level } = search
  const query = readQuery(search)
  // What nobody can complete goes to Google as it is.
  if (!query) return search.completion === false ? refused : searchModel(instances, { ...search, completion: false })
  const within = instances.filter(
    (instance) =>
      (search.study === undefined || uidOf(instance, 'StudyInstanceUID') === search.study) &&
      (search.series === undefined || uidOf(instance, 'SeriesInstanceUID') === search.series),
  )
  const groups = [...Map.groupBy(within, (instance) => groupOf(instance, level)).values()]
  const found = inOrderOf(
    query.lists.find(({ tag }) => !isAvailable(tag, level)) ?? query.lists[0],
    groups.filter((group) => matchesGroup(group, query, instances)),
  )
  const limit = query.limit ?? (query.isMatchedByGoogle ? defaultLimits[level] : Number.POSITIVE_INFINITY)
  const page = found.slice(query.offset, query.offset + limit)
  return { kind: 'rows', rows: page.map((group) => rowOf(group, level, query, instances)), total: groups.length }
}

const refused: ModelResponse = { kind: 'refused' }
/** What Google returns without a limit, and at most. */
const defaultLimits: Readonly<Record<Level, number>> = { studies: 100, series: 100, instances: 1000 }
const maxLimits: Readonly<Record<Level, number>> = { studies: 5000, series: 5000, instances: 50_000 }
const maxOffset = 1_000_000

const tag = (keyword: string): Tag => tagOf(keyword) ?? ''
const modalitiesInStudy = tag('ModalitiesInStudy')
const studyDate = tag('StudyDate')
const patientName = tag('PatientName')
const details: Readonly<Record<Level, readonly Tag[]>> = {
  studies: ['ModalitiesInStudy', 'NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances'].map(tag),
  series: [tag('NumberOfSeriesRelatedInstances')],
  instances: [],
}
/** They say how to read the query (PS3.4 C.2.2.2), and are never matched. */
const neverMatched = new Set(['SpecificCharacterSet', 'TimezoneOffsetFromUTC'].map(tag))

interface Query {
  /** What Google matches: exactly, but for ranges of StudyDate. */
  readonly exact: readonly MatchingKey[]
  readonly matched: readonly MatchingKey[]
  readonly modalities: readonly string[]
  /** Of UIDs that Google searches. */
  readonly lists: readonly { readonly tag: Tag; readonly uids: readonly string[] }[]
  readonly fields: ReadonlySet<Tag | 'all'>
  readonly details: ReadonlySet<Tag>
  readonly limit: number | null
  readonly offset: number
  readonly fuzzy: boolean
  readonly emptyValues: boolean
  readonly multipleValues: boolean
  readonly isMatchedByGoogle: boolean
}

/** Null where the search is refused. */
function readQuery({ level, query, completion = true }: ModelSearch): Query | null {
  const is = (name: string) => query.some((pair) => pair[0] === name && pair[1] === 'true')
  const emptyValues = is('emptyvaluematching')
  const exact: MatchingKey[] = []
  const matched: MatchingKey[] = []
  const modalities: string[] = []
  const lists: { tag: Tag; uids: string[] }[] = []
  const fields = new Set<Tag | 'all'>()
  const asked = new Set<Tag>()
  const ask = (field: Tag | 'all') => {
    if (completion && details[level].includes(field)) asked.add(field)
    else if (field === 'all' || isAvailable(field, level)) fields.add(field)
  }
  for (const [name, value] of query) {
    if (!completion && isRefusedByGoogle(name, value, level)) return null
    if (control.has(name)) continue
    if (name === 'includefield') {
      for (const field of value.split(',')) ask(field === 'all' ? field : (tagOf(field) ?? ''))
      continue
    }
    const path = name.split('.').map(tagNamed)
    const [top = ''] = path
    if (value === '' || isUniversal(value)) {
      if (top !== undefined) ask(top)
    } else if (path.length === 1 && top !== undefined && neverMatched.has(top)) ask(top)
    else if (path.length === 1 && top === modalitiesInStudy && level === 'studies') {
      modalities.push(value)
      ask(modalitiesInStudy)
    } else if (
      path.length === 1 &&
      top !== undefined &&
      isSearchable(top, level) &&
      !(completion && asksMore(top, value, emptyValues))
    )
      exact.push({ path: [top], value })
    else {
      const uids = path.length === 1 && top !== undefined && isSearchable(top, level) ? listOfUids(top, value) : null
      if (uids) lists.push({ tag: top as Tag, uids })
      else if (!canBeMatched(path, value, level, emptyValues)) return null
      else {
        ask(top as Tag)
        matched.push({ path: path as Tag[], value })
      }
    }
  }
  // Only one can be searched UID by UID; others need the attribute in the rows.
  if (lists.filter((list) => !isAvailable(list.tag, level)).length > 1) return null
  const isMatchedByGoogle = matched.length + modalities.length + lists.length === 0
  const isCompleted = !isMatchedByGoogle || asked.size > 0
  const limit = numberIn(query, 'limit')
  const offset = numberIn(query, 'offset') ?? 0
  if (Number.isNaN(limit) || Number.isNaN(offset)) return null
  if (!isCompleted || isMatchedByGoogle) {
    if ((limit ?? 0) > maxLimits[level] || offset > maxOffset) return null
  }
  return {
    exact,
    matched,
    modalities,
    lists,
    fields,
    details: asked,
    limit,
    offset,
    fuzzy: is('fuzzymatching'),
    emptyValues,
    multipleValues: is('multiplevaluematching'),
    isMatchedByGoogle,
  }
}

const control = new Set(['limit', 'offset', 'fuzzymatching', 'emptyvaluematching', 'multiplevaluematching'])

function numberIn(query: ModelSearch['query'], name: string): number | null {
  const values = query.filter((pair) => pair[0] === name)
  if (values.length === 0) return null
  return values.length === 1 && /^\d+$/.test(values[0]?.[1] ?? '') ? Number(values[0]?.[1]) : Number.NaN
}

/** By tag, or by one of the keywords that the proxy knows. */
function tagNamed(name: string): Tag | undefined {
  return Object.hasOwn(attributes, name) ? attributes[name] : /^[\dA-Fa-f]{8}$/.test(name) ? tagOf(name) : undefined
}

/** By its conformance statement, "Search parameters": such a search is a 400. */
function isRefusedByGoogle(name: string, value: string, level: Level): boolean {
  if (name === 'includefield') return value.split(',').some((each) => !canBeLeftOut(each, level))
  if (control.has(name)) return name.endsWith('valuematching')
  // The proxy makes an includefield of it.
  if (value === '') return false
  const of = tagNamed(name)
  if (of === undefined || !isSearchable(of, level)) return true
  return /[*?]/.test(value) || (of === studyDate && asksMore(of, value, false))
}

/** What Google refuses is asked for once, and then left out; but not what nobody knows. */
function canBeLeftOut(field: string, level: Level): boolean {
  const of = tagNamed(field)
  return field === 'all' || (of !== undefined && (isAvailable(of, level) || Object.values(attributes).includes(of)))
}

/** Whether Google, which matches one exact value or a range of StudyDate, can't match this. */
function asksMore(of: Tag, value: string, emptyValues: boolean): boolean {
  if (/[*?\\]/.test(value) || (emptyValues && value.includes('""'))) return true
  if (of === studyDate) return !/^(?:\d{8}(?:-(?:\d{8})?)?|-\d{8})$/.test(value)
  return /UID$|^Modality$/.test(keywordOf(of) ?? '') && value.includes(',')
}

function listOfUids(of: Tag, value: string): string[] | null {
  if (!keywordOf(of)?.endsWith('UID')) return null
  const uids = value.split(/[\\,]/).filter((uid) => uid !== '')
  return uids.length > 0 && uids.every((uid) => /^[\d.]{1,64}$/.test(uid)) ? [...new Set(uids)] : null
}

function canBeMatched(path: readonly (Tag | undefined)[], value: string, level: Level, emptyValues: boolean): boolean {
  const keyword = keywordOf(path.at(-1) ?? '') ?? ''
  if (path.includes(undefined) || !isAvailable(path[0] ?? '', level) || keyword.endsWith('Sequence')) return false
  const parts = value.split('\\').filter((part) => !(emptyValues && part === '""'))
  if (!Object.hasOwn(attributes, keyword)) return true
  if (keyword.endsWith('Date')) return parts.every((part) => rangeOf('DA', part.trim()) !== null)
  return !keyword.endsWith('Time') || parts.every((part) => rangeOf('TM', part.trim()) !== null)
}

function matchesGroup(group: readonly DataSet[], query: Query, instances: readonly DataSet[]): boolean {
  const [first = {}] = group
  const { exact, matched, modalities, lists, fuzzy, emptyValues, multipleValues } = query
  return (
    exact.every(({ path: [of = ''], value }) => matchesAtGoogle(first[of], of, value, fuzzy)) &&
    lists.every(({ tag: of, uids }) => uids.includes(String(first[of]?.Value?.[0]))) &&
    matchesDataSet(first, matched, { emptyValues, multipleValues }) &&
    modalities.every((value) => {
      const attribute = { vr: 'CS', Value: modalitiesOf(first, instances) }
      return matchesAttribute(attribute, value, { emptyValues, multipleValues, isCommaList: true })
    })
  )
}

/** Google's conformance statement, "Search parameters". */
function matchesAtGoogle(attribute: Attribute | undefined, of: Tag, key: string, fuzzy: boolean): boolean {
  const values = (attribute?.Value ?? []).filter((value) => value !== null)
  return values.some((value) => {
    if (of === studyDate) {
      const [from = '', to = key.includes('-') ? '' : from] = key.split('-')
      return String(value) >= from && (to === '' || String(value) <= to)
    }
    if (typeof value !== 'object') return String(value) === key
    const groups = Object.values(value as object).map(String)
    if (!fuzzy || of !== patientName) return groups.includes(key)
    const words = groups.flatMap(wordsOf)
    return wordsOf(key).some((prefix) => words.some((word) => word.startsWith(prefix)))
  })
}

function wordsOf(text: string): string[] {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  return plain.split(/[\s^=,]+/).filter((word) => word !== '')
}

/** A list of UIDs is searched UID by UID. */
function inOrderOf(list: Query['lists'][number] | undefined, groups: DataSet[][]): DataSet[][] {
  if (!list) return groups
  return list.uids.flatMap((uid) => groups.filter((group) => group[0]?.[list.tag]?.Value?.[0] === uid))
}

function rowOf(group: readonly DataSet[], level: Level, query: Query, instances: readonly DataSet[]): DataSet {
  const [first = {}] = group
  const row: Record<string, Attribute> = {}
  for (const [each, attribute] of Object.entries(first)) {
    const isWanted = returned[level].has(each) || query.fields.has(each)
    if (isWanted || (query.fields.has('all') && isAvailable(each, level))) row[each] = attribute
  }
  const study = instances.filter((other) => groupOf(other, 'studies') === groupOf(first, 'studies'))
  const series = study.filter((other) => groupOf(other, 'series') === groupOf(first, 'series'))
  const computed: Readonly<Record<string, Attribute>> = {
    [modalitiesInStudy]: codes(modalitiesOf(first, instances)),
    [tag('NumberOfStudyRelatedSeries')]: number(new Set(study.map((other) => groupOf(other, 'series'))).size),
    [tag('NumberOfStudyRelatedInstances')]: number(study.length),
    [tag('NumberOfSeriesRelatedInstances')]: number(series.length),
  }
  for (const each of query.details) {
    const attribute = computed[each]
    if (attribute) row[each] = attribute
  }
  return Object.fromEntries(Object.entries(row).sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** What is empty has no `Value` (PS3.18 F.2.5). */
function codes(values: readonly string[]): Attribute {
  return values.length === 0 ? { vr: 'CS' } : { vr: 'CS', Value: values }
}

function number(value: number): Attribute {
  return { vr: 'IS', Value: [value] }
}

/** Of the study that an instance belongs to, in ascending order. */
function modalitiesOf(instance: DataSet, instances: readonly DataSet[]): string[] {
  const study = groupOf(instance, 'studies')
  const firstOfSeries = [
    ...Map.groupBy(
      instances.filter((other) => groupOf(other, 'studies') === study),
      (other) => groupOf(other, 'series'),
    ).values(),
  ].map(([first]) => first)
  const found = firstOfSeries.flatMap((first) => first?.[tag('Modality')]?.Value ?? [])
  return [...new Set(found.filter((value) => value !== null).map(String))].sort()
}

function groupOf(instance: DataSet, level: Level): string {
  const uids = ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID'].map((keyword) => uidOf(instance, keyword))
  return uids.slice(0, { studies: 1, series: 2, instances: 3 }[level]).join('/')
}

function uidOf(instance: DataSet, keyword: string): string {
  return String(instance[tag(keyword)]?.Value?.[0])
}
