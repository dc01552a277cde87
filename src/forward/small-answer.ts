import type { Dispatcher } from 'undici'
import { requestSmall } from '../small-response.ts'
import { HeldAnswer, maxHeldBytes } from './held-answer.ts'

/** A request of the proxy's own to Google, whose answer is a small document. */
export async function getSmallAnswer(
  dispatcher: Dispatcher,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<HeldAnswer> {
  const response = await requestSmall(dispatcher, { url, method: 'GET', headers, signal, maxBytes: maxHeldBytes })
  const answer = new HeldAnswer(response.status, response.headers)
  answer.add(response.body)
  return answer
}
