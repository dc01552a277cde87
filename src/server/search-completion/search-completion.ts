import { setMaxListeners } from 'node:events'
import type { Dispatcher } from 'undici'
import { abortOnClose } from '../../concurrency/abort.ts'
import type { ConcurrencyLimiter, Slot } from '../../concurrency/limiter.ts'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import type { Inbound } from '../../downstream/inbound.ts'
import { ProxyError } from '../../errors.ts'
import { acceptsDicomJson } from '../../forward/accepted-types.ts'
import type { Outcome } from '../../forward/exchange.ts'
import type { Permit } from '../../guard/guard.ts'
import type { RequestEvent } from '../../observe/request-event.ts'
import type { ServedAccount, ServedSearchCompletion } from '../account.ts'
import type { Attempts } from '../attempts.ts'
import { clientGoneOutcome, sendBuffered } from '../send-buffered.ts'
import { CompletedRows, tooBroad } from './completed-rows.ts'
import { ComputedDetails } from './computed-details.ts'
import { PartEnded, SearchParts } from './search-parts.ts'
import { type CompletedSearch, planSearch } from './search-plan.ts'
import { sendRows } from './send-rows.ts'

interface SearchCompletionOptions {
  readonly attempts: Pick<Attempts, 'run' | 'runPart'>
  readonly dispatcher: Dispatcher
  readonly timeouts: UpstreamTimeouts
  /** Aborts when the proxy is told to end. */
  readonly ending: AbortSignal
}

/** What is sent to Google, and how. */
export interface PreparedRequest {
  /** Its path is that which Google sees; of a completed search, that of all requests, without pages. */
  readonly permit: Permit<ServedAccount>
  /**
   * As `Attempts.run()`: ends with a response or with the client's connection, or throws a
   * ProxyError.
   */
  run(inbound: Inbound, event: RequestEvent): Promise<Outcome>
}

/**
 * Does searches that Google can't do as they stand: asks Google for what it can do, and does the
 * rest on its rows (docs/search.md, docs/adr/0035).
 */
export class SearchCompletion {
  readonly #options: SearchCompletionOptions

  constructor(options: SearchCompletionOptions) {
    this.#options = options
  }

  /** How a permitted request is done: most go to Google as they are. */
  prepare(permit: Permit<ServedAccount>): PreparedRequest {
    const { attempts } = this.#options
    const { searchCompletion } = permit.account
    const plan = searchCompletion && permit.service === 'QIDO-RS' ? planSearch(permit) : null
    if (searchCompletion && plan?.kind === 'completed') {
      const query = plan.parameters.length === 0 ? '' : `?${plan.parameters.join('&')}`
      return {
        permit: { ...permit, path: `${plan.path}${query}` },
        run: (inbound, event) => this.#complete(plan, searchCompletion, { inbound, permit, event }),
      }
    }
    const sent = plan ? { ...permit, path: plan.path } : permit
    return { permit: sent, run: (inbound, event) => attempts.run(inbound, sent, event) }
  }

  async #complete(plan: CompletedSearch, settings: ServedSearchCompletion, request: Request): Promise<Outcome> {
    const { inbound, permit, event } = request
    if (!acceptsDicomJson(permit.headers.accept ?? inbound.request.headers.accept)) throw notAcceptable()
    const { signal, done } = abortOnClose(inbound, this.#options.ending)
    let turn: Slot | null = null
    try {
      turn = await turnOf(settings.turns, event.fairnessKey, signal)
      const rows = await this.#read(plan, settings, request)
      const { timeouts } = this.#options
      const { urls } = permit.account
      const outcome = await sendRows(inbound, rows, {
        urls: urls?.(inbound.request) ?? null,
        timeouts,
        progress: event.progress,
        isContended: () => settings.turns.queued > 0,
      })
      // As where Google does the search: log, metrics and audit trail tell that nothing was found.
      return outcome.kind === 'completed' && rows.length === 0 ? { ...outcome, status: 204 } : outcome
    } catch (error) {
      if (inbound.response.destroyed) return clientGoneOutcome
      if (!(error instanceof PartEnded)) throw error
      const { outcome } = error
      if (outcome.kind !== 'buffered') return outcome
      return await sendBuffered({ response: inbound.response, account: permit.account }, outcome.response, event)
    } finally {
      turn?.release(false)
      done()
    }
  }

  /** When it ends, so do all of its requests at Google. */
  async #read(plan: CompletedSearch, settings: ServedSearchCompletion, request: Request): Promise<Buffer[]> {
    const { inbound, permit, event } = request
    const over = new AbortController()
    const timer = setTimeout(
      () => over.abort(tooBroad(`it takes longer than ${settings.timeout / 1000} s (Timeout)`)),
      settings.timeout,
    )
    const ending = AbortSignal.any([over.signal, this.#options.ending])
    // As many as there are requests at the same time.
    setMaxListeners(0, ending, over.signal)
    inbound.response.setMaxListeners(0)
    const deadline = performance.now() + settings.timeout
    const parts = new SearchParts(this.#options, { inbound, permit, event, over: over.signal, ending, deadline })
    const { segments } = permit.target
    const root = plan.path.slice(0, -segments.join('/').length - 1)
    const study = segments[0] === 'studies' && segments.length > 1 ? (segments[1] ?? null) : null
    const rows = new CompletedRows(plan, parts, new ComputedDetails(parts, root, study), settings)
    try {
      return await rows.read()
    } finally {
      clearTimeout(timer)
      event.rowsRead = rows.rowsRead
      over.abort(new Error('The search is over'))
    }
  }
}

interface Request {
  readonly inbound: Inbound
  readonly permit: Permit<ServedAccount>
  readonly event: RequestEvent
}

/** So many searches hold rows at a time. Throws a ProxyError, or the signal's reason. */
async function turnOf(turns: ConcurrencyLimiter, client: string, signal: AbortSignal): Promise<Slot> {
  signal.throwIfAborted()
  const free = turns.tryAcquire(client)
  if (free) return free
  const { slot, cancel } = turns.acquire(client, Number.POSITIVE_INFINITY)
  const onAbort = () => cancel(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await slot
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function notAcceptable(): ProxyError {
  const problem = "Google can't do this search by itself, and the proxy completes searches in DICOM JSON only."
  const remedy = 'Send Accept: application/dicom+json, or search by what Google can do (docs/search.md).'
  return new ProxyError('not-acceptable', { problem, remedy })
}
