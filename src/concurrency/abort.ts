import { setTimeout as delay } from 'node:timers/promises'

/**
 * The result of the work, unless the signal aborts first: then it rejects with the signal's reason,
 * and the result of the work is ignored.
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

/** Waits for a promise, but no longer than so many milliseconds. */
export async function withTimeout(milliseconds: number, promise: Promise<void>): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  await Promise.race([promise, delay(milliseconds, undefined, { signal })])
  controller.abort()
}

/** The reason when a client's leaving ends a wait. */
export const clientGone = new Error('The client has left')

/** A response, in so far as it tells that the client has left. */
interface ClosingResponse {
  readonly destroyed: boolean
  once(event: 'close', listener: () => void): unknown
  off(event: 'close', listener: () => void): unknown
}

/** A signal that aborts a wait. `done` removes its listeners: call it after the wait. */
export interface DisposableSignal {
  readonly signal: AbortSignal
  done(): void
}

/**
 * A signal that aborts when the client leaves, with {@link clientGone} as the reason, or when any
 * of the others does.
 */
export function abortOnClose({ response }: { response: ClosingResponse }, ...others: AbortSignal[]): DisposableSignal {
  const controller = new AbortController()
  const onClose = () => controller.abort(clientGone)
  if (response.destroyed) onClose()
  response.once('close', onClose)
  return { signal: AbortSignal.any([controller.signal, ...others]), done: () => response.off('close', onClose) }
}
