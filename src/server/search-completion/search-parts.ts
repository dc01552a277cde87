import type { Dispatcher } from 'undici'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import type { Inbound } from '../../downstream/inbound.ts'
import type { Outcome } from '../../forward/exchange.ts'
import type { Permit } from '../../guard/guard.ts'
import type { RequestEvent } from '../../observe/request-event.ts'
import type { ServedAccount } from '../account.ts'
import type { Attempts } from '../attempts.ts'
import { PageSender, type RowReader } from './page-sender.ts'

/** A request at Google that ended otherwise than with rows: so ends the whole search. */
export class PartEnded extends Error {
  readonly outcome: Outcome

  constructor(outcome: Outcome) {
    super('A part of the search has ended without rows')
    this.outcome = outcome
  }
}

export interface SearchPartsOptions {
  readonly attempts: Pick<Attempts, 'runPart'>
  readonly dispatcher: Dispatcher
  readonly timeouts: Pick<UpstreamTimeouts, 'searchResponse'>
}

/** The client's request that the parts belong to. */
interface Whole {
  readonly inbound: Inbound
  readonly permit: Permit<ServedAccount>
  readonly event: RequestEvent
  /** Ends all parts at once. */
  readonly over: AbortSignal
  /** That, or the proxy's shutdown: ends what waits to be sent. */
  readonly ending: AbortSignal
  /** By `performance.now()`. */
  readonly deadline: number
}

/**
 * The searches at Google that make up one completed search. Each takes a slot of its own, and is
 * attempted like a request of a client.
 */
export class SearchParts {
  readonly #options: SearchPartsOptions
  readonly #whole: Whole

  constructor(options: SearchPartsOptions, whole: Whole) {
    this.#options = options
    this.#whole = whole
  }

  /**
   * Throws a ProxyError, {@link PartEnded} or the reason of `ending`.
   *
   * @param path at Google, with its query
   * @param read called for each attempt: rows of one that failed don't count
   */
  async search(path: string, read: () => RowReader): Promise<void> {
    const { attempts, dispatcher, timeouts } = this.#options
    const { inbound, permit, event, over, ending, deadline } = this.#whole
    // One that failed has ended the search: what runs beside it must not go on.
    over.throwIfAborted()
    const sender = new PageSender({ dispatcher, timeouts, over }, read)
    const headers = headersFor(inbound.request.headers['cache-control'])
    const outcome = await attempts.runPart(inbound, { ...permit, path }, event, { sender, headers, ending, deadline })
    if (outcome.kind !== 'completed') throw new PartEnded(outcome)
  }
}

/** The client's own preferences are about its response. */
function headersFor(cacheControl: string | undefined): Record<string, string> {
  const headers = { accept: 'application/dicom+json', 'accept-encoding': 'gzip' }
  return cacheControl === undefined ? headers : { ...headers, 'cache-control': cacheControl }
}
