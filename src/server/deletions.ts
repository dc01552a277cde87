import type { Dispatcher } from 'undici'
import { abortOnClose } from '../concurrency/abort.ts'
import type { AccessToken } from '../credentials/access-token.ts'
import type { InboundResponse } from '../downstream/inbound.ts'
import { ProxyError } from '../errors.ts'
import { BufferedResponse, getSmallResponse } from '../forward/buffered-response.ts'
import type { Outcome } from '../forward/exchange.ts'
import {
  type DeletionFailure,
  isDocument,
  type Operation,
  operationIn,
  type PendingOperation,
  type PollResult,
  pollUntilDone,
} from '../forward/operation.ts'
import type { Permit } from '../guard/guard.ts'
import type { Logger } from '../observe/logger.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import { withoutSecrets } from '../outside-words.ts'
import type { ServedAccount } from './account.ts'
import { redactMessage } from './redact-message.ts'
import { beginsOperation } from './retry-policy.ts'
import { clientGoneOutcome, sendBuffered } from './send-buffered.ts'
import { upstreamHeaders } from './upstream-headers.ts'

interface DeletionsOptions {
  readonly dispatcher: Dispatcher
  readonly logger: Logger
  readonly userAgent: string
  /**
   * How long after a request's arrival to wait for its deletion, in milliseconds; 0: don't wait.
   */
  readonly maxWaitMs: number
  /** Aborts when the proxy is told to end. */
  readonly ending: AbortSignal
}

/**
 * A deletion that Google carries out after its response. Sends the client's response, or throws a
 * ProxyError if the deletion failed.
 */
export interface Deletion {
  /**
   * @param accepted Google's 200, which should name the operation
   * @param tokens that were sent to Google; those that are sent from here on are added
   */
  conclude(
    accepted: BufferedResponse,
    response: InboundResponse,
    event: RequestEvent,
    tokens: Set<string>,
  ): Promise<Outcome>
}

/**
 * Waits for the deletions of studies and series, which Google does in long-running operations, so
 * that a client's response says what became of them (docs/adr/0015).
 */
export class Deletions {
  readonly #options: DeletionsOptions

  constructor(options: DeletionsOptions) {
    this.#options = options
  }

  /** Call this when the request arrives; null if its response needs no waiting. */
  deletionFor({ account, service, route, path }: Permit<ServedAccount>): Deletion | null {
    const { maxWaitMs } = this.#options
    if (maxWaitMs === 0 || !beginsOperation(service, route)) return null
    const deadline = performance.now() + maxWaitMs
    return { conclude: (...accepted) => this.#conclude(account, path, deadline, ...accepted) }
  }

  async #conclude(
    account: ServedAccount,
    path: string,
    deadline: number,
    accepted: BufferedResponse,
    response: InboundResponse,
    event: RequestEvent,
    tokens: Set<string>,
  ): Promise<Outcome> {
    const initial = operationIn(accepted.body, account.operationUrl)
    if (!initial) {
      if (!isDocument(accepted.body)) throw notFromGoogle()
      event.detail = "Google's response names no operation, so the proxy does not know whether the deletion has ended."
      return sendBuffered({ response, account }, accepted, event)
    }
    const result = await this.#pollUntilDone(initial, account, deadline, response, event, tokens)
    if (response.destroyed) return clientGoneOutcome
    if (result.end === 'done') {
      const { operation } = result
      event.isPending = false
      if (operation.failure) throw asProxyError(operation.failure, path, tokens)
      return sendBuffered({ response, account }, documentOf(200, operation), event)
    }
    event.detail = pendingDetail(result)
    const more = { 'proxy-status': pendingStatus(result) }
    return sendBuffered({ response, account }, documentOf(202, result.operation), event, more)
  }

  async #pollUntilDone(
    begun: Operation,
    account: ServedAccount,
    deadline: number,
    response: InboundResponse,
    event: RequestEvent,
    sent: Set<string>,
  ): Promise<PollResult> {
    const { tokens, operationUrl } = account
    const { signal, done } = abortOnClose({ response }, this.#options.ending)
    const sendPoll = (url: URL, token: AccessToken, signal: AbortSignal) => {
      sent.add(token.value)
      return this.#sendPoll(account, event, url, token, signal)
    }
    try {
      return await pollUntilDone(begun, { tokens, operationUrl, sendPoll }, deadline, signal)
    } finally {
      done()
    }
  }

  async #sendPoll(
    account: ServedAccount,
    { requestId }: RequestEvent,
    url: URL,
    token: AccessToken,
    signal: AbortSignal,
  ): Promise<BufferedResponse> {
    const { dispatcher, logger, userAgent } = this.#options
    const response = await getSmallResponse(dispatcher, url, upstreamHeaders(userAgent, account, token), signal)
    logger.debug({ requestId, account: account.name, status: response.status }, 'looked at the deletion')
    return response
  }
}

/**
 * The client doesn't get such a response: it may read only the status, and take the web page of a
 * server on the way for a completed deletion.
 */
function notFromGoogle(): ProxyError {
  const problem = "The response to the deletion is not one of Google's documents."
  const remedy = 'Check the outgoing proxy and BaseUrl, then whether the study is still there.'
  return new ProxyError('upstream-invalid', { problem, remedy })
}

/**
 * @param path that was sent to Google: nothing of it may come back in Google's words
 * @param tokens that were sent, too
 */
function asProxyError({ code, message, counts }: DeletionFailure, path: string, tokens: Iterable<string>): ProxyError {
  const words = message && redactMessage(withoutSecrets(message, tokens), 500, path)
  const reasons = [
    code && `${code}${words ? `: ${words}` : '.'}`,
    counts && `${counts.failed} could not be deleted, ${counts.deleted} were.`,
  ]
  const problem = `Google's deletion failed: ${reasons.filter(Boolean).join(' ')}`
  return new ProxyError('deletion-failed', { problem, remedy: 'Search for what is left, and delete it again.' })
}

function documentOf(status: number, { body }: Operation): BufferedResponse {
  const document = new BufferedResponse(status, {
    'content-type': 'application/json',
    'content-length': String(body.length),
  })
  document.add(body)
  return document
}

const statuses = {
  time: 'not done in time',
  stopped: 'the proxy ends',
  refused: 'Google does not tell how far it is',
} as const

/**
 * `Proxy-Status` (RFC 9209) of a response to a deletion that goes on at Google: its 202 is not
 * Google's.
 */
export function pendingStatus({ end }: PendingOperation): string {
  return `gcp-dicomweb-proxy; received-status=200; details="the deletion goes on: ${statuses[end]}"`
}

/** The same for the log. */
export function pendingDetail(unfinished: PendingOperation): string {
  return `Google is still deleting, and the proxy did not see the end: ${reasonOf(unfinished)}`
}

function reasonOf(unfinished: PendingOperation): string {
  if (unfinished.end !== 'refused') {
    return unfinished.end === 'time'
      ? 'it takes longer than DicomWebProxy.DeletionWait.'
      : 'the proxy is shutting down.'
  }
  const { status } = unfinished
  if (status !== 403) return `Google does not report the progress (${status}).`
  // https://cloud.google.com/healthcare-api/docs/access-control
  return 'Google refuses to report the progress (403). Grant the credential roles/healthcare.datasetViewer on the dataset: a role on the store is not enough.'
}
