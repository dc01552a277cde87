import type { ServerResponse } from 'node:http'

/** Why a wait ended when the client left. */
export const clientLeft = new Error('The client has left')

/** What ends a wait before its time. `done` is to be called after the wait, however it ended. */
export interface Interruption {
  readonly signal: AbortSignal
  done(): void
}

/** Ends a wait when the client leaves, with {@link clientLeft} as the reason, or for any of the other signals. */
export function interruption({ response }: { response: ServerResponse }, ...others: AbortSignal[]): Interruption {
  const leaving = new AbortController()
  const onClose = () => leaving.abort(clientLeft)
  if (response.destroyed) onClose()
  response.once('close', onClose)
  return { signal: AbortSignal.any([leaving.signal, ...others]), done: () => response.off('close', onClose) }
}

/** What some work brings; rejects with {@link clientLeft} if the client leaves first. The work goes on: others may wait for it, too. */
export async function unlessLeft<Value>(
  { response }: { response: ServerResponse },
  work: Promise<Value>,
): Promise<Value> {
  const { promise: left, reject } = Promise.withResolvers<never>()
  const onClose = () => reject(clientLeft)
  if (response.destroyed) onClose()
  response.once('close', onClose)
  try {
    return await Promise.race([work, left])
  } finally {
    response.off('close', onClose)
  }
}
