import type { Dispatcher } from 'undici'
import { requestSmall } from '../small-response.ts'
import { BufferedResponse, maxHeldBytes } from './buffered-response.ts'

/** A request of the proxy's own to Google, whose answer is a small document. */
export async function getSmallResponse(
  dispatcher: Dispatcher,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<BufferedResponse> {
  const response = await requestSmall(dispatcher, { url, method: 'GET', headers, signal, maxBytes: maxHeldBytes })
  const answer = new BufferedResponse(response.status, response.headers)
  answer.add(response.body)
  return answer
}
