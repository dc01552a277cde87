/**
 * Which attributes match a key of a search: PS3.4 C.2.2.2, written from the standard. Where it
 * leaves a choice, docs/search.md says which one this is. Slow and plain: a model to compare with.
 */

/** An attribute in DICOM JSON. */
export interface Attribute {
  readonly vr: string
  readonly Value?: readonly unknown[]
}

export type DataSet = Readonly<Record<string, Attribute>>

/** An attribute, by the tags that lead to it, and the value that it must have. */
export interface MatchingKey {
  readonly path: readonly string[]
  readonly value: string
}

interface Matching {
  /** `emptyvaluematching=true`: two quotation marks stand for an empty value (C.2.2.2.7). */
  readonly emptyValues: boolean
  /** `multiplevaluematching=true`: all values of a key must match (C.2.2.2.8). */
  readonly multipleValues: boolean
}

/** Sequence matching (C.2.2.2.6): one item must match all keys that lead into a sequence. */
export function matchesDataSet(dataSet: DataSet, keys: readonly MatchingKey[], matching: Matching): boolean {
  const own = keys.filter(({ path }) => path.length === 1)
  const isMatched = own.every(({ path: [tag = ''], value }) => {
    const syntax = tag === modality ? { ...matching, isCommaList: true } : matching
    return matchesAttribute(dataSet[tag], value, syntax)
  })
  const sequences = Map.groupBy(
    keys.filter(({ path }) => path.length > 1),
    ({ path: [tag = ''] }) => tag,
  )
  return (
    isMatched &&
    [...sequences].every(([tag, inner]) => {
      const items = dataSet[tag]?.vr === 'SQ' ? ((dataSet[tag].Value ?? []) as DataSet[]) : []
      const below = inner.map(({ path: [, ...path], value }) => ({ path, value }))
      return items.some((item) => matchesDataSet(item, below, matching))
    })
  )
}

const modality = '00080060'
/** VRs whose text may have a backslash (PS3.5 6.2), and spaces at its beginning. */
const singleValued = new Set(['LT', 'ST', 'UR', 'UT'])
/** VRs of multiple value matching (C.2.2.2.8). What is missing counts as one of them. */
const multiValued = new Set(['AE', 'AS', 'AT', 'CS', 'LO', 'PN', 'SH', 'UC', ''])
/** VRs in which asterisk and question mark are wildcards (C.2.2.2.4). */
const withWildcards = new Set(['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT'])
const numbers = new Set(['DS', 'IS', 'FD', 'FL', 'SL', 'SS', 'UL', 'US'])
const texts = new Set(['AE', 'AS', 'AT', 'CS', 'LO', 'LT', 'SH', 'ST', 'UC', 'UI', 'UR', 'UT'])

export interface KeySyntax extends Matching {
  /** Of modalities, as of UIDs (PS3.18 8.3.4.1): a comma separates values (docs/search.md). */
  readonly isCommaList?: boolean
}

/** Whether one of the key's values matches one of the attribute's; or each of the key's does. */
export function matchesAttribute(attribute: Attribute | undefined, key: string, syntax: KeySyntax): boolean {
  const vr = attribute?.vr ?? ''
  const values = (attribute?.Value ?? []).filter((value) => value !== null && value !== '')
  const parts = partsOf(vr, key, syntax.isCommaList ?? vr === 'UI')
  const results = parts.map((part) => {
    if (isUniversal(part)) return true
    if (syntax.emptyValues && part === '""') return values.length === 0
    return values.some((value) => matchesValue(vr, value, part))
  })
  return syntax.multipleValues && multiValued.has(vr) && results.length > 0
    ? !results.includes(false)
    : results.includes(true)
}

/** Nothing but asterisks (C.2.2.2.4): matches what has no value, too. */
export function isUniversal(part: string): boolean {
  return /^\*+$/.test(part)
}

function partsOf(vr: string, key: string, isCommaList: boolean): string[] {
  if (singleValued.has(vr)) return [key.replace(/ +$/, '')]
  const separator = isCommaList ? /[\\,]/ : /\\/
  const parts = key.split(separator).map((part) => part.replace(/^ +| +$/g, ''))
  return parts.filter((part) => part !== '')
}

function matchesValue(vr: string, value: unknown, key: string): boolean {
  if (vr === 'PN') return matchesName(value as PersonName, key)
  if (numbers.has(vr)) return sameNumber(String(value), key)
  if (vr === 'DA' || vr === 'TM' || vr === 'DT') return matchesMoment(vr, String(value), key)
  if (!texts.has(vr)) return false
  const text = singleValued.has(vr) ? String(value).replace(/ +$/, '') : String(value).replace(/^ +| +$/g, '')
  return matchesText(text, key, withWildcards.has(vr))
}

/** Single value matching (C.2.2.2.1), or wildcard matching. */
function matchesText(text: string, key: string, wildcards: boolean): boolean {
  if (!wildcards) return text === key
  return matchesPattern([...text], [...key])
}

function matchesPattern(text: readonly string[], pattern: readonly string[]): boolean {
  // Row by row: which ends of the text the pattern so far can reach.
  let reached = new Set([0])
  for (const character of pattern) {
    const next = new Set<number>()
    for (const at of reached) {
      if (character === '*') for (let end = at; end <= text.length; end += 1) next.add(end)
      else if (at < text.length && (character === '?' || character === text[at])) next.add(at + 1)
    }
    reached = next
  }
  return reached.has(text.length)
}

interface PersonName {
  readonly Alphabetic?: string
  readonly Ideographic?: string
  readonly Phonetic?: string
}

/** Without regard to case; a key without `=` is for any component group (docs/search.md). */
function matchesName({ Alphabetic = '', Ideographic = '', Phonetic = '' }: PersonName, key: string): boolean {
  const groups = [Alphabetic, Ideographic, Phonetic]
  const isGroup = (group: string, wanted: string) => matchesText(plainName(group), plainName(wanted), true)
  if (!key.includes('=')) return groups.some((group) => group !== '' && isGroup(group, key))
  return key.split('=').every((wanted, at) => plainName(wanted) === '' || isGroup(groups[at] ?? '', wanted))
}

function plainName(group: string): string {
  return group
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\^ ]+$/, '')
    .replace(/^ +/, '')
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

function sameNumber(value: string, key: string): boolean {
  return decimal.test(value) && decimal.test(key) && Number(value) === Number(key)
}

/** From the first to the last microsecond that a value stands for. */
type Period = readonly [from: bigint, to: bigint]

/** Single value and range matching of dates and times (C.2.2.2.1, C.2.2.2.5). */
function matchesMoment(vr: 'DA' | 'TM' | 'DT', value: string, key: string): boolean {
  const [moment] = periodOf(vr, value) ?? []
  const range = rangeOf(vr, key)
  if (moment === undefined || !range) return false
  return (range[0] === null || moment >= range[0]) && (range[1] === null || moment <= range[1])
}

/** Null for a key that is neither a date or time nor a range of them. */
export function rangeOf(vr: 'DA' | 'TM' | 'DT', key: string): readonly [from: bigint | null, to: bigint | null] | null {
  // A hyphen makes a range (C.2.2.2.1.3), and within one it can be that of an offset from UTC.
  if (!key.includes('-')) return periodOf(vr, key)
  const hyphens = [...key].flatMap((character, at) => (character === '-' ? [at] : []))
  const ranges = hyphens.flatMap((at): (readonly [bigint | null, bigint | null])[] => {
    const [before, after] = [key.slice(0, at).trim(), key.slice(at + 1).trim()]
    const [from, to] = [periodOf(vr, before), periodOf(vr, after)]
    if ((before === '' && after === '') || (before !== '' && !from) || (after !== '' && !to)) return []
    return [[from?.[0] ?? null, to?.[1] ?? null]]
  })
  return ranges.find(([from, to]) => from === null || to === null || from <= to) ?? ranges[0] ?? null
}

function periodOf(vr: 'DA' | 'TM' | 'DT', text: string): Period | null {
  if (vr === 'DA') {
    const date = /^(\d{4})(\.?)(\d\d)\2(\d\d)$/.exec(text)
    return date && period(`${date[1]}${date[3]}${date[4]}`, '', '')
  }
  if (vr === 'TM') {
    const time = /^(\d\d)(?:(:?)(\d\d)(?:\2(\d\d)(?:\.(\d{1,6}))?)?)?$/.exec(text)
    return time && period('19700101', `${time[1]}${time[3] ?? ''}${time[4] ?? ''}`, time[5] ?? '')
  }
  const both = /^(\d{4}(?:\d\d(?:\d\d)?)?|\d{8}(?:\d\d){1,3})(?:(?<=\d{14})\.(\d{1,6}))?([+-]\d{4})?$/.exec(text)
  if (!both) return null
  const [, digits = '', fraction = '', offset = ''] = both
  const minutes = offsetOf(offset)
  if (minutes === null) return null
  const found = period(digits.slice(0, 8), digits.slice(8), fraction)
  // Of less than a minute's precision, there is no moment to convert.
  const shift = digits.length < 12 ? 0n : BigInt(minutes) * 60_000_000n
  return found && [found[0] - shift, found[1] - shift]
}

/** In minutes; from -1200 to +1400 (PS3.5 6.2). */
function offsetOf(offset: string): number | null {
  if (offset === '') return 0
  const [hours, minutes] = [Number(offset.slice(1, 3)), Number(offset.slice(3))]
  const total = (hours * 60 + minutes) * (offset.startsWith('-') ? -1 : 1)
  return minutes < 60 && total >= -720 && total <= 840 ? total : null
}

function period(date: string, time: string, fraction: string): Period | null {
  const [year, month, day] = [date.slice(0, 4), date.slice(4, 6), date.slice(6, 8)]
  const [hour, minute, second] = [time.slice(0, 2), time.slice(2, 4), time.slice(4, 6)]
  if (!isWithin(month, 1, 12) || !isWithin(day, 1, 31)) return null
  if (!isWithin(hour, 0, 23) || !isWithin(minute, 0, 59) || !isWithin(second, 0, 60)) return null
  if (day !== '' && Number(day) > lastDayOf(year, month)) return null
  const first = microseconds([year, month || '01', day || '01', hour || '00', minute || '00', second || '00'])
  const lastMonth = month || '12'
  const lastDay = day || String(lastDayOf(year, lastMonth))
  const last = microseconds([year, lastMonth, lastDay, hour || '23', minute || '59', second || '59'])
  return [first + BigInt(fraction.padEnd(6, '0')), last + BigInt(fraction.padEnd(6, '9'))]
}

function isWithin(text: string, from: number, to: number): boolean {
  return text === '' || (Number(text) >= from && Number(text) <= to)
}

function lastDayOf(year: string, month: string): number {
  return new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
}

function microseconds(parts: readonly string[]): bigint {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts.map(Number)
  return BigInt(Date.UTC(year, month - 1, day, hour, minute, second)) * 1000n
}
