import { matchesPersonName, type PersonName } from './person-name.ts'
import { isWithin, periodOf, periodOfKey, type TimeVr } from './times.ts'
import { hasWildcard, matchesWildcard } from './wildcard.ts'

/** One attribute in DICOM JSON (PS3.18 F.2.2). */
export interface JsonAttribute {
  readonly vr?: string
  readonly Value?: readonly unknown[]
}

/** PS3.4 C.2.2.2.4. */
const withWildcards: ReadonlySet<string> = new Set(['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT'])
/** A backslash in these is a character (PS3.5 6.4), as are blanks at their beginning. */
const withoutList: ReadonlySet<string> = new Set(['LT', 'ST', 'UR', 'UT'])
const numeric: ReadonlySet<string> = new Set(['DS', 'FD', 'FL', 'IS', 'SL', 'SS', 'UL', 'US'])
const times: ReadonlySet<string> = new Set(['DA', 'TM', 'DT'])

/** Where multiple value matching is defined (PS3.4 C.2.2.2.8). */
const withMultipleValues: ReadonlySet<string> = new Set(['AE', 'AS', 'AT', 'CS', 'LO', 'PN', 'SH', 'UC'])

/** What a key of a search asks of an attribute. */
export interface ValueKey {
  /** As the client wrote it, decoded; not empty. */
  readonly value: string
  /** Whether `""` asks for an attribute without a value (PS3.4 C.2.2.2.7). */
  readonly emptyMatching: boolean
  /** Whether all values of a list must match (PS3.4 C.2.2.2.8), and not any. */
  readonly multipleMatching: boolean
  /** Whether commas separate values, too, and not in UIDs alone. */
  readonly commaList?: boolean
}

/**
 * Whether an attribute of a row matches a key (PS3.4 C.2.2.2): one of its values must match one of
 * the key's, or each of the key's if that was asked for. The row says which VR it has, and so how it
 * is matched.
 */
export function matchesKey(attribute: JsonAttribute | undefined, key: ValueKey): boolean {
  const vr = attribute?.vr ?? ''
  const values = (attribute?.Value ?? []).filter((value) => value !== null && value !== '')
  const matches = (wanted: string) => {
    if (isUniversal(wanted)) return true
    if (key.emptyMatching && wanted === '""') return values.length === 0
    return values.some((value) => matchesValue(vr, value, wanted))
  }
  const wanted = valuesOf(vr, key)
  const isForAll = key.multipleMatching && withMultipleValues.has(vr) && wanted.length > 0
  return isForAll ? wanted.every(matches) : wanted.some(matches)
}

/** PS3.4 C.2.2.2.4: equivalent to universal matching. */
export function isUniversal(value: string): boolean {
  return /^\*+$/.test(value)
}

function valuesOf(vr: string, { value, commaList = false }: ValueKey): string[] {
  if (withoutList.has(vr)) return [value]
  const separated = vr === 'UI' || commaList ? value.split(/[\\,]/) : value.split('\\')
  return separated.filter((item) => item.trim() !== '')
}

function matchesValue(vr: string, value: unknown, wanted: string): boolean {
  if (vr === 'PN') return isPersonName(value) && matchesPersonName(value, wanted)
  if (typeof value !== 'string' && typeof value !== 'number') return false
  const text = trimmed(vr, String(value))
  const key = trimmed(vr, wanted)
  if (times.has(vr)) return matchesTime(vr as TimeVr, text, key)
  if (numeric.has(vr)) return text === key || (isNumber(key) && Number(text) === Number(key))
  if (withWildcards.has(vr) && hasWildcard(key)) return matchesWildcard(text, key)
  return text === key
}

/** What is no date or time in a row matches what is written in the same way. */
function matchesTime(vr: TimeVr, text: string, key: string): boolean {
  const period = periodOfKey(vr, key)
  const value = periodOf(vr, text)
  return period && value ? isWithin(value, period) : text === key
}

/** As DS and IS are written (PS3.5 6.2). */
function isNumber(text: string): boolean {
  return /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)
}

/** Padding is no part of a value (PS3.5 6.2). */
function trimmed(vr: string, text: string): string {
  let from = 0
  let to = text.length
  while (to > from && (text[to - 1] === ' ' || text[to - 1] === '\0')) to -= 1
  if (!withoutList.has(vr)) while (from < to && text[from] === ' ') from += 1
  return text.slice(from, to)
}

function isPersonName(value: unknown): value is PersonName {
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).every((group) => typeof group === 'string')
}
