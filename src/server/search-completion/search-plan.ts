import { keywordFor, tagFor } from '../../guard/attributes.ts'
import type { Permit } from '../../guard/guard.ts'
import { negotiationIn } from '../../guard/negotiation.ts'
import { searchParameters } from '../../guard/query.ts'
import { problemsOfValue } from '../../guard/search-limits.ts'
import { isReturned, type SearchLevel, searchable, searchLevelOf } from '../../guard/searchable.ts'
import type { SearchParameter } from '../../guard/universal-keys.ts'
import { addKey, emptyKeyNode, type KeyNode } from './row-matching.ts'
import { periodOfKey, type TimeVr } from './times.ts'
import { isUniversal, type ValueKey } from './value-matching.ts'
import { hasWildcard } from './wildcard.ts'

/** Attributes that no instance has, and that the proxy computes from other searches. */
export type Detail =
  | 'ModalitiesInStudy'
  | 'NumberOfStudyRelatedSeries'
  | 'NumberOfStudyRelatedInstances'
  | 'NumberOfSeriesRelatedInstances'

const detailsOf: Readonly<Record<SearchLevel, readonly Detail[]>> = {
  studies: ['ModalitiesInStudy', 'NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances'],
  series: ['NumberOfSeriesRelatedInstances'],
  instances: [],
}

/** A search that Google can do once its query is changed. */
export interface RewrittenSearch {
  readonly kind: 'rewritten'
  /** At Google, with its query. */
  readonly path: string
}

/** A search whose rows the proxy matches, or adds attributes to. */
export interface CompletedSearch {
  readonly kind: 'completed'
  readonly level: SearchLevel
  /** Path at Google, without a query. */
  readonly path: string
  /** Of each request: keys that Google searches by, and what must be in the rows. */
  readonly parameters: readonly string[]
  /** One more parameter for each search at Google: the values of a list of UIDs, say. */
  readonly alternatives: readonly string[]
  /** Each alternative finds one row at the most. */
  readonly isUnique: boolean
  /** Null if Google does all of the matching. */
  readonly keys: KeyNode | null
  /** What the modalities of a study must match. */
  readonly modalities: readonly ValueKey[]
  readonly details: ReadonlySet<Detail>
  /** Null: all matches; if Google does all of the matching, as many as it returns unasked. */
  readonly limit: number | null
  readonly offset: number
}

/** More are not the work of a client that searches. */
const maxParameters = 100
/** Values of a list that become a search each. */
const maxAlternatives = 100
/** Of a value with wildcards: a longer one is not what a person types. */
const maxPatternLength = 256

/**
 * How the proxy completes a search that Google can't do as it stands. Null for one that Google can
 * do, and for one that nobody can: it goes to Google as it is.
 */
export function planSearch({
  route,
  path,
  target,
}: Pick<Permit<never>, 'route' | 'path' | 'target'>): RewrittenSearch | CompletedSearch | null {
  const parameters = searchParameters(negotiationIn(target.query).query)
  if (parameters.length > maxParameters) return null
  const isOn = (parameter: string) =>
    parameters.some(({ name, value }) => name === parameter && decoded(value) === 'true')
  const matching = {
    emptyMatching: isOn('emptyvaluematching'),
    multipleMatching: isOn('multiplevaluematching'),
  }
  const [pathOnly = ''] = path.split('?')
  const draft = new Draft(searchLevelOf(route), pathOnly, matching)
  return parameters.every((parameter) => draft.take(parameter)) ? draft.plan() : null
}

/** Of a value as the client spells it. */
function decoded(value: string): string {
  return decodeURIComponent(value.replaceAll('+', ' '))
}

/** What the query asks of the matching itself (PS3.18 8.3.4.5 and 8.3.4.6). */
type Matching = Pick<ValueKey, 'emptyMatching' | 'multipleMatching'>

/** A plan in the making. */
class Draft {
  readonly #level: SearchLevel
  readonly #path: string
  readonly #matching: Matching
  readonly #passed: string[] = []
  /** As the client spells them, by keyword or tag. */
  readonly #fields = new Map<string, string>()
  readonly #keys: KeyNode = emptyKeyNode()
  readonly #modalities: ValueKey[] = []
  readonly #details = new Set<Detail>()
  #alternatives: { readonly name: string; readonly values: readonly string[] } | null = null
  #limit: number | null = null
  #offset: number | null = null
  /** Google can't do it as the client wrote it. */
  #isChanged = false

  constructor(level: SearchLevel, path: string, matching: Matching) {
    this.#level = level
    this.#path = path
    this.#matching = matching
  }

  /** False if the search can't be completed. */
  take(parameter: SearchParameter): boolean {
    const { name, sent, isKey } = parameter
    const value = decoded(parameter.value)
    if (isKey) return this.#takeKey(name, value, sent)
    if (name === 'limit' || name === 'offset') return this.#takeNumber(name, value)
    if (name === 'includefield') for (const field of value.split(',')) this.#takeField(field, false)
    else if (name === 'fuzzymatching') this.#passed.push(sent)
    // emptyvaluematching and multiplevaluematching are the proxy's.
    else this.#isChanged = true
    return true
  }

  plan(): RewrittenSearch | CompletedSearch | null {
    const hasKeys = this.#keys.keys.length + this.#keys.sequences.size > 0
    const isCompleted = hasKeys || this.#modalities.length > 0 || this.#alternatives !== null || this.#details.size > 0
    if (!isCompleted && !this.#isChanged) return null
    const fields = [...this.#fields.values()].map((field) => `includefield=${encodeURIComponent(field)}`)
    const parameters = [...this.#passed, ...fields]
    if (!isCompleted) {
      if (this.#limit !== null) parameters.push(`limit=${this.#limit}`)
      if (this.#offset !== null) parameters.push(`offset=${this.#offset}`)
      const query = parameters.length === 0 ? '' : `?${parameters.join('&')}`
      return { kind: 'rewritten', path: `${this.#path}${query}` }
    }
    const { name = '', values = [] } = this.#alternatives ?? {}
    return {
      kind: 'completed',
      level: this.#level,
      path: this.#path,
      parameters,
      alternatives: this.#alternatives ? values.map((value) => `${name}=${encodeURIComponent(value)}`) : [''],
      isUnique: this.#level === 'studies' && values.length > 0,
      keys: hasKeys ? this.#keys : null,
      modalities: this.#modalities,
      details: this.#details,
      limit: this.#limit,
      offset: this.#offset ?? 0,
    }
  }

  #takeNumber(name: 'limit' | 'offset', value: string): boolean {
    if (!/^\d{1,9}$/.test(value) || (name === 'limit' ? this.#limit : this.#offset) !== null) return false
    if (name === 'limit') this.#limit = Number(value)
    else this.#offset = Number(value)
    return true
  }

  /** @param isKey whether a key without a value asks for it: the guard has seen to those already */
  #takeField(field: string, isKey: boolean): void {
    const attribute = keywordFor(field) ?? field
    const detail = detailsOf[this.#level].find((each) => each === attribute)
    if (detail) this.#details.add(detail)
    else if (field === 'all' || isReturned(attribute, this.#level)) this.#fields.set(attribute, field)
    else if (!isKey) this.#isChanged = true
  }

  #takeKey(name: string, value: string, sent: string): boolean {
    const path = name.split('.')
    const [field = ''] = path
    const attribute = keywordFor(field) ?? field
    if (value === '' || isUniversal(value)) {
      if (value !== '') this.#isChanged = true
      this.#takeField(field, true)
      return true
    }
    if (path.length > 1) return this.#takeLocally(path, attribute, value)
    if (isNeverMatched.has(attribute)) {
      this.#isChanged = true
      this.#takeField(field, true)
      return true
    }
    if (attribute === 'ModalitiesInStudy' && this.#level === 'studies') {
      this.#modalities.push({ value, ...this.#matching, commaList: true })
      this.#details.add(attribute)
      return hasSearchablePattern(value)
    }
    if (!searchable[this.#level].includes(attribute)) return this.#takeLocally(path, attribute, value)
    const isEmpty = this.#matching.emptyMatching && value.includes('""')
    if (!isEmpty && problemsOfValue(attribute, value).length === 0) {
      this.#passed.push(sent)
      return true
    }
    return this.#takeList(attribute, field, value) || this.#takeLocally(path, attribute, value)
  }

  /**
   * Google finds each UID of a list by itself. One list at the most, and rather that whose attribute
   * is in no row.
   */
  #takeList(attribute: string, name: string, value: string): boolean {
    const values = [...new Set(value.split(/[\\,]/).filter((each) => each !== ''))]
    const isList = attribute.endsWith('UID') && values.every((each) => /^[\d.]{1,64}$/.test(each))
    if (!isList || values.length === 0 || values.length > maxAlternatives) return false
    const other = this.#alternatives
    if (other) {
      const otherAttribute = keywordFor(other.name) ?? other.name
      const isInRows = isReturned(attribute, this.#level)
      if (isInRows || !this.#takeLocally([other.name], otherAttribute, other.values.join('\\'))) return false
    }
    this.#alternatives = { name, values }
    return true
  }

  /** By the rows, if Google returns the attribute. */
  #takeLocally(path: readonly string[], attribute: string, value: string): boolean {
    const tags = path.map((each) => tagFor(each))
    const keyword = keywordFor(path.at(-1) ?? '') ?? ''
    // It has items, and no value of its own.
    if (keyword.endsWith('Sequence')) return false
    if (!tags.every((tag) => tag !== undefined) || !isReturned(attribute, this.#level)) return false
    if (!hasSearchablePattern(value)) return false
    // As of ModalitiesInStudy: a modality has no comma (PS3.5 6.2).
    const key = { value, ...this.#matching, commaList: keyword === 'Modality' }
    if (!isValid(keyword, key)) return false
    addKey(this.#keys, tags, key)
    this.#fields.set(attribute, path[0] ?? '')
    return true
  }
}

/** They say how the query is meant (PS3.4 C.2.2.2). */
const isNeverMatched: ReadonlySet<string> = new Set(['SpecificCharacterSet', 'TimezoneOffsetFromUTC'])

function hasSearchablePattern(value: string): boolean {
  return !hasWildcard(value) || value.length <= maxPatternLength
}

/** What is no date or time is left to Google, which says so. */
function isValid(keyword: string, { value, emptyMatching }: ValueKey): boolean {
  const vr: TimeVr | null = keyword.endsWith('Date') ? 'DA' : keyword.endsWith('Time') ? 'TM' : null
  if (!vr) return true
  return value.split('\\').every((each) => (emptyMatching && each === '""') || periodOfKey(vr, each) !== null)
}
