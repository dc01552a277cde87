/** Statuses that tell something apart. Others are counted by their class: an upstream can think of five hundred of them. */
const namedStatuses: ReadonlySet<number> = new Set([
  200, 202, 204, 206, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 416, 422, 429, 431, 500,
  501, 502, 503, 504,
])

/** A status as the value of a label; empty where there was no answer. */
export function statusLabel(status: number | null): string {
  if (status === null) return ''
  return namedStatuses.has(status) ? String(status) : `${Math.trunc(status / 100)}xx`
}
