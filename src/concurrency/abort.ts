import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * What the work gives, unless the signal aborts before: then it rejects with the signal's reason,
 * and the work goes on unseen.
 */
export function abortable<Value>(work: Value | Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  Promise.resolve(work)
    .then(resolve, reject)
    .finally(() => signal.removeEventListener('abort', onAbort))
  return promise
}

/** Waits for something, but no longer than so many milliseconds. */
export async function withTimeout(milliseconds: number, something: Promise<void>): Promise<void> {
  const enough = new AbortController()
  const { signal } = enough
  await Promise.race([something, delay(milliseconds, undefined, { signal })])
  enough.abort()
}

/** Why a wait ended when the client left. */
export const clientGone = new Error('The client has left')

/** What ends a wait before its time. `done` is to be called after the wait, however it ended. */
export interface Interruption {
  readonly signal: AbortSignal
  done(): void
}

/**
 * Ends a wait when the client leaves, with {@link clientGone} as the reason, or for any of the
 * other signals.
 */
export function abortOnClose({ response }: { response: ServerResponse }, ...others: AbortSignal[]): Interruption {
  const leaving = new AbortController()
  const onClose = () => leaving.abort(clientGone)
  if (response.destroyed) onClose()
  response.once('close', onClose)
  return { signal: AbortSignal.any([leaving.signal, ...others]), done: () => response.off('close', onClose) }
}
