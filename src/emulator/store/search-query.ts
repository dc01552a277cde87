import { type Tag, tagOf } from '../dicom/dictionary.ts'
import { GoogleError } from '../google-error.ts'
import type { Match } from './matching.ts'

export type Level = 'studies' | 'series' | 'instances'

export interface SearchQuery {
  readonly matches: readonly Match[]
  readonly limit: number
  readonly offset: number
  /** Tags asked by includefield, or 'all'. */
  readonly fields: readonly (Tag | 'all')[]
  readonly fuzzy: boolean
}

/** Google's "Quotas and limits": results by default, and at most. */
const limits: Readonly<Record<Level, readonly [number, number]>> = {
  studies: [100, 5000],
  series: [100, 5000],
  instances: [1000, 50_000],
}
const maximalOffset = 1_000_000

/** Query parameters of every Google API ("System parameters"): accepted, and visible in the log. */
const systemParameters = new Set(
  'access_token alt callback fields key oauth_token prettyPrint quotaUser upload_protocol uploadType $.xgafv'.split(
    ' ',
  ),
)

export function parseSearch(query: URLSearchParams, level: Level): SearchQuery {
  const matches: Match[] = []
  const fields: Tag[] = []
  for (const [name, value] of query) {
    if (name === 'includefield') fields.push(...value.split(',').map(parseField))
    else if (!['limit', 'offset', 'fuzzymatching'].includes(name) && !systemParameters.has(name)) {
      matches.push({ path: parsePath(name), value })
    }
  }
  const [usual, most] = limits[level]
  return {
    matches,
    fields,
    limit: parseNumber(query, 'limit', usual, most),
    offset: parseNumber(query, 'offset', 0, maximalOffset),
    fuzzy: query.get('fuzzymatching') === 'true',
  }
}

/**
 * `PatientName`, `00100010`, or through sequences
 * `RequestAttributesSequence.ScheduledProcedureStepID`.
 */
function parsePath(name: string): Tag[] {
  return name.split('.').map((step) => {
    const tag = tagOf(step)
    if (tag === undefined) throw new GoogleError(400, `Unknown query parameter: ${name}`)
    return tag
  })
}

function parseField(field: string): Tag {
  if (field === 'all') return field
  const tag = tagOf(field)
  if (tag === undefined) throw new GoogleError(400, `Unknown includefield: ${field}`)
  return tag
}

function parseNumber(query: URLSearchParams, name: string, otherwise: number, most: number): number {
  const text = query.get(name)
  if (text === null) return otherwise
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(number <= most)) throw new GoogleError(400, `Invalid ${name}: ${text}; it must be a number of at most ${most}.`)
  return number
}
