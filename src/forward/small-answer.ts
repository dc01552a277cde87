import type { Dispatcher } from 'undici'
import { HeldAnswer } from './held-answer.ts'

/**
 * A request of the proxy's own to Google, whose answer is a small document. Redirections are not followed. Rejects when
 * there is no answer, or one larger than is worth holding.
 */
export async function getSmallAnswer(
  dispatcher: Dispatcher,
  { origin, pathname: path }: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<HeldAnswer> {
  const {
    statusCode,
    headers: answered,
    body,
  } = await dispatcher.request({
    origin,
    path,
    method: 'GET',
    headers,
    signal,
  })
  const answer = new HeldAnswer(statusCode, answered)
  for await (const chunk of body) {
    if (!answer.add(chunk)) throw new Error('The answer is too large')
  }
  return answer
}
