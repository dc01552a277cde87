import type { ServerResponse } from 'node:http'
import { sendHeld } from '../forward/answer.ts'
import type { Outcome } from '../forward/exchange.ts'
import type { HeldAnswer } from '../forward/held-answer.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { ServedAccount } from './account.ts'

/** The client has left before an answer. */
export const left = { kind: 'cut', by: 'client', status: null } as const satisfies Outcome

interface To {
  readonly response: ServerResponse
  readonly account: ServedAccount
}

/**
 * Sends an answer that was held back to the client, whole.
 *
 * @param own headers of the proxy's own, where they are not those of every answer
 */
export async function passOn(
  { response, account: { urls } }: To,
  answer: HeldAnswer,
  event: RequestEvent,
  own?: Readonly<Record<string, string>>,
): Promise<Outcome> {
  if (response.destroyed) return left
  event.progress.sent += answer.body.length
  const isWhole = await sendHeld({ response, urls, attempt: event.attempts }, answer, own)
  return isWhole ? { kind: 'answered', status: answer.status } : { ...left, status: answer.status }
}
