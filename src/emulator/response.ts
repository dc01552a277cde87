/**
 * What a route gives back. One place (sending.ts) writes it to the wire, so that faults apply to
 * every route alike.
 */
export interface EmulatorResponse {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** A stream goes out chunked unless `headers` promise a content-length. */
  readonly body?: string | Buffer | AsyncIterable<Buffer>
}

export function jsonResponse(
  value: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): EmulatorResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
    body: `${JSON.stringify(value)}\n`,
  }
}
