/** VRs whose values are compared by time (PS3.4 C.2.2.2.1 and C.2.2.2.5). */
export type TimeVr = 'DA' | 'TM' | 'DT'

/** From the first to the last moment that a value may mean, both included, as digits in order. */
export interface Period {
  readonly from: string
  readonly to: string
}

/** Of two DT with microseconds, offsets and blanks. Each hyphen of a key is tried. */
const maxKeyLength = 64

interface Format {
  /** The digits of each component are all there, or none is. */
  readonly pattern: RegExp
  readonly first: string
  readonly last: string
}

/** Up to a fraction of microseconds. A second may be 60 (PS3.5 6.2). */
const formats: Readonly<Record<TimeVr, Format>> = {
  DA: { pattern: /^\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/, first: '00000101', last: '99991231' },
  TM: {
    pattern: /^(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?$/,
    first: '000000000000',
    last: '235960999999',
  },
  DT: {
    pattern:
      /^\d{4}(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?)?)?)?$/,
    first: '00000101000000000000',
    last: '99991231235960999999',
  },
}

/**
 * What a value of a row or a single key means: all that its precision leaves open. Null for what is
 * no date or time. Those of ACR-NEMA are read, too: 2024.01.31 and 10:30:00 (PS3.5 6.2).
 */
export function periodOf(vr: TimeVr, text: string): Period | null {
  const value = vr === 'DT' ? inUtc(text.trim()) : withoutSeparators(vr, text.trim())
  const { pattern, first, last } = formats[vr]
  if (value === null || !pattern.test(value)) return null
  const digits = value.replace('.', '')
  return { from: digits + first.slice(digits.length), to: digits + lastAfter(digits, last) }
}

/**
 * What a key means, a single value or a range, of which one end may be open: `A-B`, `A-`, `-B`. Null
 * for anything else. A hyphen always makes a range (PS3.4 C.2.2.2.1.3): a single DT can't have a
 * negative offset from UTC. Nothing is within a range whose end is before its beginning.
 */
export function periodOfKey(vr: TimeVr, key: string): Period | null {
  if (key.length > maxKeyLength) return null
  if (!key.includes('-')) return periodOf(vr, key)
  const { first, last } = formats[vr]
  // Within a range, an offset of a DT may begin with a hyphen, too: the one between the ends is
  // found by trying.
  let reversed: Period | null = null
  for (let at = key.indexOf('-'); at >= 0; at = key.indexOf('-', at + 1)) {
    const [begin, end] = [key.slice(0, at).trim(), key.slice(at + 1).trim()]
    if (begin === '' && end === '') return null
    const from = begin === '' ? { from: first } : periodOf(vr, begin)
    const to = end === '' ? { to: last } : periodOf(vr, end)
    if (from && to && from.from <= to.to) return { from: from.from, to: to.to }
    if (from && to) reversed = { from: from.from, to: to.to }
  }
  return reversed
}

/** Whether the beginning of what a row's value may mean is within the key's period. */
export function isWithin(value: Period, { from, to }: Period): boolean {
  return value.from >= from && value.from <= to
}

function withoutSeparators(vr: 'DA' | 'TM', text: string): string {
  if (vr === 'DA') return /^\d{4}\.\d{2}\.\d{2}$/.test(text) ? text.replaceAll('.', '') : text
  return /^\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?$/.test(text) ? text.replaceAll(':', '') : text
}

/** A day that a month does not have is after those that it has, and so changes no order. */
function lastAfter(digits: string, last: string): string {
  return last.slice(digits.length)
}

/**
 * Without its offset from UTC, which counts as part of the time (PS3.4 C.2.2.2.5.3). One without
 * an offset is taken as it is. Null where there is no such time.
 */
function inUtc(text: string): string | null {
  const [, digits = '', sign, hours, minutes] = /^([\d.]+)(?:([+-])(\d{2})(\d{2}))?$/.exec(text) ?? []
  if (digits === '') return null
  if (sign === undefined) return digits
  // Less precise than its offset: a shift would make up what is not there.
  if (!/^\d{12}/.test(digits)) return digits
  const [year, month, day, hour, minute] = [
    digits.slice(0, 4),
    digits.slice(4, 6),
    digits.slice(6, 8),
    digits.slice(8, 10),
    digits.slice(10, 12),
  ].map(Number)
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1)
  const date = new Date(0)
  date.setUTCFullYear(year ?? 0, (month ?? 1) - 1, day)
  date.setUTCHours(hour ?? 0, (minute ?? 0) - offset)
  const shifted = date.toISOString().replaceAll(/[-T:]/g, '').slice(0, 12)
  return /^\d{12}$/.test(shifted) ? shifted + digits.slice(12) : null
}
