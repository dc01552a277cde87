import { compilePersonName, type PersonName } from './person-name.ts'
import { isWithin, periodOf, periodOfKey, type TimeVr } from './times.ts'
import { compileWildcard, hasWildcard } from './wildcard.ts'

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

/** Where multiple value matching is defined (PS3.4 C.2.2.2.8); the VR of what is missing is unknown. */
const withMultipleValues: ReadonlySet<string> = new Set(['AE', 'AS', 'AT', 'CS', 'LO', 'PN', 'SH', 'UC', ''])

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

/** Whether a value of a row's attribute matches a value of a key. */
type ValueMatcher = (value: unknown) => boolean

/** One value of a key: matches everything, what has no value, or certain values. */
type Alternative = 'all' | 'empty' | ValueMatcher

/** A key, read for one VR: once, and not for each row. */
interface CompiledKey {
  readonly alternatives: readonly Alternative[]
  /** Whether each of them must match, and not any. */
  readonly isForAll: boolean
}

const compiledKeys = new WeakMap<ValueKey, Map<string, CompiledKey>>()

/**
 * Whether an attribute of a row matches a key (PS3.4 C.2.2.2): one of its values must match one of
 * the key's, or each of the key's if that was asked for. The row says which VR it has, and so how it
 * is matched.
 */
export function matchesKey(attribute: JsonAttribute | undefined, key: ValueKey): boolean {
  const values = (attribute?.Value ?? []).filter((value) => value !== null && value !== '')
  const { alternatives, isForAll } = compiled(attribute?.vr ?? '', key)
  const matches = (wanted: Alternative) => {
    if (wanted === 'all') return true
    if (wanted === 'empty') return values.length === 0
    return values.some(wanted)
  }
  return isForAll ? alternatives.every(matches) : alternatives.some(matches)
}

function compiled(vr: string, key: ValueKey): CompiledKey {
  const byVr = compiledKeys.get(key) ?? new Map<string, CompiledKey>()
  compiledKeys.set(key, byVr)
  const known = byVr.get(vr)
  if (known) return known
  const alternatives = valuesOf(vr, key).map((wanted): Alternative => {
    if (isUniversal(wanted)) return 'all'
    return key.emptyMatching && wanted === '""' ? 'empty' : compileValue(vr, wanted)
  })
  const isForAll = key.multipleMatching && withMultipleValues.has(vr) && alternatives.length > 0
  const compiledKey = { alternatives, isForAll }
  byVr.set(vr, compiledKey)
  return compiledKey
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

function compileValue(vr: string, wanted: string): ValueMatcher {
  if (vr === 'PN') {
    const matches = compilePersonName(wanted)
    return (value) => isPersonName(value) && matches(value)
  }
  const matches = compileText(vr, trimmed(vr, wanted))
  return (value) => (typeof value === 'string' || typeof value === 'number') && matches(trimmed(vr, String(value)))
}

function compileText(vr: string, key: string): (text: string) => boolean {
  if (times.has(vr)) return compileTime(vr as TimeVr, key)
  if (numeric.has(vr) && isNumber(key)) return (text) => text === key || Number(text) === Number(key)
  if (withWildcards.has(vr) && hasWildcard(key)) return compileWildcard(key)
  return (text) => text === key
}

/** What is no date or time in a row matches what is written in the same way. */
function compileTime(vr: TimeVr, key: string): (text: string) => boolean {
  const period = periodOfKey(vr, key)
  if (!period) return (text) => text === key
  return (text) => {
    const value = periodOf(vr, text)
    return value ? isWithin(value, period) : text === key
  }
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
