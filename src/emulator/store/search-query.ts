import type { Behavior } from '../behavior.ts'
import { keywordOf, type Tag, tagOf } from '../dicom/dictionary.ts'
import { GoogleError } from '../google-error.ts'
import { isRange, type Match, studyDate } from './matching.ts'
import { isAvailable, isSearchable, type Level } from './searchable.ts'

export interface SearchQuery {
  readonly matches: readonly Match[]
  readonly limit: number
  readonly offset: number
  /** Tags asked for by includefield, or 'all'. */
  readonly fields: readonly (Tag | 'all')[]
  readonly fuzzy: boolean
}

/** Results by default, and at most (conformance statement, "Search parameters"). */
const limits: Readonly<Record<Level, readonly [number, number]>> = {
  studies: [100, 5000],
  series: [100, 5000],
  instances: [1000, 50_000],
}
const maxOffset = 1_000_000

/** Query parameters of every Google API ("System parameters"): accepted, and visible in the log. */
const systemParameters = new Set(
  'access_token alt callback fields key oauth_token prettyPrint quotaUser upload_protocol uploadType $.xgafv'.split(
    ' ',
  ),
)

export function isSystemParameter(name: string): boolean {
  return systemParameters.has(name)
}

export function parseSearch(
  query: URLSearchParams,
  level: Level,
  { wildcards }: Pick<Behavior, 'wildcards'>,
): SearchQuery {
  const matches: Match[] = []
  const fields: Tag[] = []
  for (const [name, value] of query) {
    if (name === 'includefield') fields.push(...value.split(',').map((field) => parseField(field, level)))
    else if (!['limit', 'offset', 'fuzzymatching'].includes(name) && !isSystemParameter(name)) {
      matches.push(parseMatch(name, value, level, wildcards))
    }
  }
  const [usual, most] = limits[level]
  return {
    matches,
    fields,
    limit: parseNumber(query, 'limit', usual, most),
    offset: parseNumber(query, 'offset', 0, maxOffset),
    fuzzy: query.get('fuzzymatching') === 'true',
  }
}

/**
 * One value that matches as it is, or a range of StudyDate; nothing else that PS3.4, C.2.2.2
 * offers.
 */
function parseMatch(name: string, value: string, level: Level, wildcards: Behavior['wildcards']): Match {
  const tag = tagOf(name)
  if (tag === undefined) throw new GoogleError(400, `unknown/unsupported search parameter: ${name}`)
  if (!isSearchable(tag, level)) throw new GoogleError(400, `${shown(tag, name)} can't be searched for ${level}`)
  if (wildcards === 'refused' && /[*?]/.test(value)) {
    throw new GoogleError(400, `wildcards are not supported: ${shown(tag, name)}`)
  }
  if (tag === studyDate && value !== '' && !isRange(value)) {
    throw new GoogleError(400, `StudyDate is neither a date nor a range of dates: ${value}`)
  }
  return { tag, value }
}

function parseField(field: string, level: Level): Tag {
  if (field === 'all') return field
  const tag = tagOf(field)
  if (tag === undefined || !isAvailable(tag, level)) {
    throw new GoogleError(400, `unknown/unsupported includefield for ${level}: ${shown(tag, field)}`)
  }
  return tag
}

function shown(tag: Tag | undefined, otherwise: string): string {
  return (tag !== undefined && keywordOf(tag)) || otherwise
}

function parseNumber(query: URLSearchParams, name: string, otherwise: number, most: number): number {
  const text = query.get(name)
  if (text === null) return otherwise
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(number <= most)) throw new GoogleError(400, `invalid ${name}: ${text}; the maximum is ${most}`)
  return number
}
