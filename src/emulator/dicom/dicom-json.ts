import type { Tag } from './dictionary.ts'

/** Where a large value lies in the file, in place of the value. */
export interface BulkData {
  readonly offset: number
  /**
   * In bytes; for encapsulated pixel data, from the Basic Offset Table to the sequence delimiter.
   */
  readonly length: number
  readonly encapsulated: boolean
}

export interface PersonName {
  Alphabetic?: string
  Ideographic?: string
  Phonetic?: string
}

export type Value = string | number | PersonName | DataSet | null

/**
 * A data element in the DICOM JSON Model (PS3.18, F.2); `bulk` becomes a BulkDataURI when the URL
 * is known.
 */
export interface Element {
  readonly vr: string
  Value?: Value[]
  InlineBinary?: string
  BulkDataURI?: string
  bulk?: BulkData
}

export type DataSet = { [tag: Tag]: Element }

/** The first value as text; '' if there is none. */
export function textOf(dataSet: DataSet, tag: Tag): string {
  const value = dataSet[tag]?.Value?.[0]
  if (value === undefined || value === null) return ''
  if (typeof value !== 'object') return String(value)
  return String((value as PersonName).Alphabetic ?? '')
}

export function numberOf(dataSet: DataSet, tag: Tag): number | undefined {
  const text = textOf(dataSet, tag)
  return text === '' || Number.isNaN(Number(text)) ? undefined : Number(text)
}

/** An item may be empty, which a name that was decoded never is. */
export function isDataSet(value: Value): value is DataSet {
  return typeof value === 'object' && value !== null && (Object.keys(value).length === 0 || !isPersonName(value))
}

export function isPersonName(value: Value): value is PersonName {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).every((key) => key === 'Alphabetic' || key === 'Ideographic' || key === 'Phonetic')
  )
}

/** A copy in which every bulk value is the URL below `base` (PS3.18, F.2.2), ready to be sent. */
export function withBulkDataUris(dataSet: DataSet, base: string): DataSet {
  const copy: DataSet = {}
  for (const [tag, element] of Object.entries(dataSet)) {
    const { bulk, ...rest } = element
    if (bulk) copy[tag] = { ...rest, BulkDataURI: `${base}/${tag}` }
    else if (element.vr === 'SQ' && element.Value)
      copy[tag] = { ...rest, Value: itemsWithUris(element.Value, `${base}/${tag}`) }
    else copy[tag] = rest
  }
  return copy
}

function itemsWithUris(items: readonly Value[], base: string): Value[] {
  return items.map((item, index) => (isDataSet(item) ? withBulkDataUris(item, `${base}/${index}`) : item))
}

/** The bulk value at a path such as `7FE00010` or `00081140/0/00420011`. */
export function bulkDataAt(dataSet: DataSet, path: readonly string[]): Element | undefined {
  const [tag = '', index, ...rest] = path
  const element = dataSet[tag.toUpperCase()]
  if (index === undefined) return element?.bulk ? element : undefined
  const item = element?.Value?.[Number(index)]
  return item !== undefined && isDataSet(item) ? bulkDataAt(item, rest) : undefined
}
