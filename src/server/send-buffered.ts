import type { InboundResponse } from '../downstream/inbound.ts'
import type { BufferedResponse } from '../forward/buffered-response.ts'
import type { Outcome } from '../forward/exchange.ts'
import { relayBuffered } from '../forward/response-relay.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { ServedAccount } from './account.ts'

/** The outcome of a request whose client left before a response. */
export const clientGoneOutcome = { kind: 'aborted', by: 'client', status: null } as const satisfies Outcome

interface Recipient {
  readonly response: InboundResponse
  readonly account: ServedAccount
}

/**
 * Sends a buffered response to the client, whole.
 *
 * @param own headers of the proxy's own, where they are not those of every response
 */
export async function sendBuffered(
  { response, account: { urls } }: Recipient,
  buffered: BufferedResponse,
  event: RequestEvent,
  own?: Readonly<Record<string, string>>,
): Promise<Outcome> {
  if (response.destroyed) return clientGoneOutcome
  const { attempts: attempt, progress } = event
  const exchange = { urls: urls?.(response.req) ?? null, cacheControl: null, attempt, progress }
  const isWhole = await relayBuffered(response, exchange, buffered, own)
  return isWhole ? { kind: 'completed', status: buffered.status } : { ...clientGoneOutcome, status: buffered.status }
}
