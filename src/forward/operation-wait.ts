import { setTimeout as delay } from 'node:timers/promises'
import { abortable } from '../concurrency/abortable.ts'
import type { AccessToken, TokenSource } from '../credentials/access-token.ts'
import type { OperationUrl } from '../stores/operation-url.ts'
import type { BufferedResponse } from './buffered-response.ts'
import { isSameOperation, type Operation, operationIn } from './operation.ts'
import { TokenReplay } from './token-replay.ts'

/** Milliseconds before the first look; each next one waits twice as long, up to the longest. */
const firstIntervalMs = 250
const maxIntervalMs = 5_000
/** Milliseconds that one look may take, token and all. */
const pollTimeoutMs = 5_000

/** Answers of a look after which the next one may find more: Google's advice for repetitions, and what a gateway may say. */
const isTransient = (status: number) => status === 408 || status === 425 || status === 429 || status >= 500

export interface Polling {
  readonly tokens: TokenSource
  readonly operationUrl: OperationUrl
  /** Asks once; rejects when there is no answer. */
  readonly poll: (url: URL, token: AccessToken, signal: AbortSignal) => Promise<BufferedResponse>
}

/** How the waiting ended, and the last that Google told of the operation. */
export type Waited = { readonly end: 'done'; readonly operation: Operation } | Unfinished

export type Unfinished =
  | { readonly end: 'time' | 'stopped'; readonly operation: Operation }
  /** Google does not tell, and will not a moment later. */
  | { readonly end: 'refused'; readonly operation: Operation; readonly status: number }

/**
 * Looks at an operation again and again until it is done. Never rejects: a look that fails says nothing about the
 * operation, and the next one may do better.
 *
 * @param deadline by `performance.now()`; no look begins later
 * @param signal ends the waiting at once
 */
export async function waitFor(
  begun: Operation,
  looking: Polling,
  deadline: number,
  signal: AbortSignal,
): Promise<Waited> {
  let operation = begun
  for (let interval = firstIntervalMs; ; interval = Math.min(interval * 2, maxIntervalMs)) {
    if (operation.done) return { end: 'done', operation }
    const left = deadline - performance.now()
    if (left <= 0) return { end: 'time', operation }
    await delay(Math.min(interval, left), undefined, { signal }).catch(() => {})
    if (signal.aborted) return { end: 'stopped', operation }
    const answer = await poll(operation.url, looking, signal)
    if (answer && answer.status !== 200 && !isTransient(answer.status)) {
      return { end: 'refused', operation, status: answer.status }
    }
    const seen = answer?.status === 200 ? operationIn(answer.body, looking.operationUrl) : null
    if (seen && isSameOperation(seen, operation)) operation = seen
  }
}

/** Null when there is no response. */
async function poll(url: URL, { tokens, poll }: Polling, signal: AbortSignal): Promise<BufferedResponse | null> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(pollTimeoutMs)])
  try {
    const replay = new TokenReplay(tokens)
    for (;;) {
      const token = await abortable(tokens.token(), limited)
      const response = await poll(url, token, limited)
      if (response.status !== 401 || !replay.allows(token)) return response
    }
  } catch {
    return null
  }
}
