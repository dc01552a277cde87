import type { ServerResponse } from 'node:http'

/** Why a wait ended when the client left. */
export const clientGone = new Error('The client has left')

/** What ends a wait before its time. `done` is to be called after the wait, however it ended. */
export interface Interruption {
  readonly signal: AbortSignal
  done(): void
}

/** Ends a wait when the client leaves, with {@link clientGone} as the reason, or for any of the other signals. */
export function abortOnClose({ response }: { response: ServerResponse }, ...others: AbortSignal[]): Interruption {
  const leaving = new AbortController()
  const onClose = () => leaving.abort(clientGone)
  if (response.destroyed) onClose()
  response.once('close', onClose)
  return { signal: AbortSignal.any([leaving.signal, ...others]), done: () => response.off('close', onClose) }
}
