import { shownType } from './media-type.ts'
import type { StoreResponse } from './store-client.ts'

/** A data set in the DICOM JSON Model (PS3.18, F.2). */
export type Row = Readonly<Record<string, { readonly vr?: string; readonly Value?: readonly unknown[] } | undefined>>

/** The JSON of a body; undefined if it is none. */
export function jsonOf({ body }: Pick<StoreResponse, 'body'>): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

/** Rows of a search, or data sets of metadata; null for anything but an array of objects. */
export function rowsOf(response: Pick<StoreResponse, 'body'>): readonly Row[] | null {
  const value = jsonOf(response)
  if (!Array.isArray(value)) return null
  return value.every((row) => typeof row === 'object' && row !== null) ? value : null
}

/** `204, no body`, `200, []`, `200, 3 rows`, `400`: what a search came to. */
export function searchOutcome(response: StoreResponse): string {
  const { status, body } = response
  if (status === 204) return body.length === 0 ? '204, no body' : '204 with a body'
  if (status !== 200) return `${status}`
  const rows = rowsOf(response)
  if (rows === null) return `200, ${shownType(response.headers['content-type'])}`
  return rows.length === 0 ? '200, []' : `200, ${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`
}

/** How many a search found; null if it was refused, or its response is not DICOM JSON. */
export function found(response: StoreResponse): number | null {
  if (response.status === 204) return 0
  return response.status === 200 ? (rowsOf(response)?.length ?? null) : null
}

/** `200, application/dicom+json`. */
export function typedOutcome({ status, headers }: StoreResponse): string {
  return status >= 300 || status === 204 ? `${status}` : `${status}, ${shownType(headers['content-type'])}`
}

export function textOf(row: Row | undefined, tag: string): string {
  const value = row?.[tag]?.Value?.[0]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

/** An array member as an object; an empty one for anything else. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {}
}
