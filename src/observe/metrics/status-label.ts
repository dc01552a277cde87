/**
 * Statuses with a label of their own. Others are counted by class, to bound the number of series.
 */
const namedStatuses: ReadonlySet<number> = new Set([
  200, 202, 204, 206, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 416, 422, 429, 431, 500,
  501, 502, 503, 504,
])

/** A status as a label value; empty without a response. */
export function statusLabel(status: number | null): string {
  if (status === null) return ''
  return namedStatuses.has(status) ? String(status) : `${Math.trunc(status / 100)}xx`
}
