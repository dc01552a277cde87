import type { ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { abortOnClose } from '../concurrency/abort-on-close.ts'
import type { AccessToken } from '../credentials/access-token.ts'
import { ProxyError } from '../errors.ts'
import { BufferedResponse } from '../forward/buffered-response.ts'
import type { DeletionFailure } from '../forward/deletion-failure.ts'
import type { Outcome } from '../forward/exchange.ts'
import { isDocument, type Operation, operationIn } from '../forward/operation.ts'
import { type Waited, waitFor } from '../forward/operation-wait.ts'
import { getSmallResponse } from '../forward/small-response.ts'
import type { Permit } from '../guard/guard.ts'
import type { Logger } from '../observe/logger.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import { withoutSecrets } from '../outside-words.ts'
import type { ServedAccount } from './account.ts'
import { redactMessage } from './redact-message.ts'
import { beginsOperation } from './retry-policy.ts'
import { clientGoneOutcome, sendBuffered } from './send-buffered.ts'
import { pendingDetail, pendingStatus } from './unfinished-deletion.ts'
import { upstreamHeaders } from './upstream-headers.ts'

interface Parts {
  readonly dispatcher: Dispatcher
  readonly logger: Logger
  readonly userAgent: string
  /** Milliseconds after a request's arrival until which its deletion is waited for; 0 waits for none. */
  readonly wait: number
  /** Aborts when the proxy is told to end. */
  readonly ending: AbortSignal
}

/** A deletion that Google does behind its answer. Answers the client, or throws a ProxyError when the deletion failed. */
export interface Deletion {
  /**
   * @param answer Google's 200, which should name the operation
   * @param tokens that were sent to Google; those that are sent from here on are added
   */
  conclude(
    answer: BufferedResponse,
    response: ServerResponse,
    event: RequestEvent,
    tokens: Set<string>,
  ): Promise<Outcome>
}

/**
 * Waits for the deletions of studies and series, which Google does in long-running operations, so that a client's answer
 * says what became of them (docs/adr/0015).
 */
export class Deletions {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** To be asked when the request arrives; null when its answer needs no waiting. */
  expectedOf({ account, service, route, path }: Permit<ServedAccount>): Deletion | null {
    const { wait } = this.#parts
    if (wait === 0 || !beginsOperation(service, route)) return null
    const deadline = performance.now() + wait
    return { conclude: (...answer) => this.#conclude(account, path, deadline, ...answer) }
  }

  async #conclude(
    account: ServedAccount,
    path: string,
    deadline: number,
    answer: BufferedResponse,
    response: ServerResponse,
    event: RequestEvent,
    tokens: Set<string>,
  ): Promise<Outcome> {
    const begun = operationIn(answer.body, account.operationUrl)
    if (!begun) {
      if (!isDocument(answer.body)) throw notGoogles()
      event.detail = 'Google names no operation of its own in its answer: whether the deletion has ended is not known.'
      return sendBuffered({ response, account }, answer, event)
    }
    const waited = await this.#waitFor(begun, account, deadline, response, event, tokens)
    if (response.destroyed) return clientGoneOutcome
    if (waited.end === 'done') {
      const { operation } = waited
      event.isPending = false
      if (operation.failure) throw asProxyError(operation.failure, path, tokens)
      return sendBuffered({ response, account }, documentOf(200, operation), event)
    }
    event.detail = pendingDetail(waited)
    const more = { 'proxy-status': pendingStatus(waited) }
    return sendBuffered({ response, account }, documentOf(202, waited.operation), event, more)
  }

  async #waitFor(
    begun: Operation,
    account: ServedAccount,
    deadline: number,
    response: ServerResponse,
    event: RequestEvent,
    sent: Set<string>,
  ): Promise<Waited> {
    const { tokens, operationUrl } = account
    const { signal, done } = abortOnClose({ response }, this.#parts.ending)
    const poll = (url: URL, token: AccessToken, signal: AbortSignal) => {
      sent.add(token.value)
      return this.#look(account, event, url, token, signal)
    }
    try {
      return await waitFor(begun, { tokens, operationUrl, poll }, deadline, signal)
    } finally {
      done()
    }
  }

  async #look(
    account: ServedAccount,
    { requestId }: RequestEvent,
    url: URL,
    token: AccessToken,
    signal: AbortSignal,
  ): Promise<BufferedResponse> {
    const { dispatcher, logger, userAgent } = this.#parts
    const headers = { ...upstreamHeaders(userAgent, account, token), authorization: `Bearer ${token.value}` }
    const answer = await getSmallResponse(dispatcher, url, headers, signal)
    logger.debug({ requestId, account: account.name, status: answer.status }, 'looked at the deletion')
    return answer
  }
}

/** A client may look at no more than the status, and take a web page of somebody on the way for a deletion that is done. */
function notGoogles(): ProxyError {
  const detail =
    'The answer to the deletion is no document of Google’s: check the outgoing proxy and BaseUrl, then whether the study is still there.'
  return new ProxyError('upstream-invalid', detail)
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
  const why = reasons.filter(Boolean).join(' ')
  return new ProxyError(
    'deletion-failed',
    `Google's deletion failed: ${why} Search for what is left, and delete it again.`,
  )
}

function documentOf(status: number, { body }: Operation): BufferedResponse {
  const answer = new BufferedResponse(status, {
    'content-type': 'application/json',
    'content-length': String(body.length),
  })
  answer.add(body)
  return answer
}
