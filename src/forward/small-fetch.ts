import type { Dispatcher } from 'undici'
import { requestSmall } from '../small-response.ts'

export type Fetch = typeof globalThis.fetch

/** Milliseconds for a request that brings no signal of its own. */
const defaultTimeoutMs = 60_000
/** Statuses whose responses have no body (Fetch Standard 2.2.3). */
const bodyless: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * As much of `fetch` as google-auth-library and the checks need: the response is read before it is
 * handed out, within {@link requestSmall}'s bounds, and never decompressed. Redirects are not
 * followed.
 */
export function fetchOver(dispatcher: Dispatcher): Fetch {
  return async (input, init = {}) => {
    const { method = 'GET', body } = init
    const headers = new Headers(init.headers)
    if (body instanceof URLSearchParams && !headers.has('content-type')) {
      headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8')
    }
    const response = await requestSmall(dispatcher, {
      url: new URL(String(input)),
      method: method as Dispatcher.HttpMethod,
      headers: Object.fromEntries(headers),
      body: textOf(body),
      signal: init.signal ?? AbortSignal.timeout(defaultTimeoutMs),
    })
    const { status } = response
    const content = bodyless.has(status) ? null : new Uint8Array(response.body)
    return new Response(content, { status, headers: pairsOf(response.headers) })
  }
}

function textOf(body: unknown): string | null {
  if (body === undefined || body === null) return null
  if (typeof body === 'string' || body instanceof URLSearchParams) return String(body)
  throw new TypeError('Only texts are sent')
}

function pairsOf(headers: Readonly<Record<string, string | string[] | undefined>>): [string, string][] {
  return Object.entries(headers).flatMap(([name, values = []]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  )
}
