import type { UpstreamHeaders } from '../forward/buffered-response.ts'
import type { Outcome } from '../forward/exchange.ts'
import type { ObserveResponse } from '../forward/response-observer.ts'
import { isReturned } from '../guard/headers.ts'
import type { Logger } from '../observe/logger.ts'
import { redactHeaders } from '../observe/redact-headers.ts'
import type { RequestEvent } from '../observe/request-event.ts'

/**
 * The log line of `HttpVerbose` for one attempt to send a request to Google: all that is neither a
 * secret nor about a patient.
 */
export class AttemptLine {
  readonly #event: RequestEvent
  readonly #sent: Readonly<Record<string, string>>
  readonly #startedAt = performance.now()
  readonly #before: { readonly received: number; readonly sent: number }
  #received: { readonly status: number; readonly headers: UpstreamHeaders } | null = null

  /** @param headers as they are sent; the token in them is not shown */
  constructor(event: RequestEvent, headers: Readonly<Record<string, string>>) {
    this.#event = event
    this.#sent = headers
    const { received, sent } = event.progress
    this.#before = { received, sent }
  }

  /** Reads the headers of each response. */
  wrap(observe: ObserveResponse): ObserveResponse {
    return (status, headers) => {
      this.#received = { status, headers }
      return observe(status, headers)
    }
  }

  /** Writes the line, once the attempt has ended. */
  write(logger: Logger, outcome: Outcome): void {
    const { requestId, account, service, method, route, attempts: attempt, progress } = this.#event
    const response = outcome.kind === 'buffered' ? outcome.response : this.#received
    const line = {
      requestId,
      account,
      service,
      method,
      route,
      attempt,
      kind: outcome.kind,
      status: response?.status ?? null,
      code: outcome.kind === 'failed' ? outcome.error.code : undefined,
      bytesReceived: progress.received - this.#before.received,
      bytesSent: progress.sent - this.#before.sent,
      milliseconds: Math.round((performance.now() - this.#startedAt) * 10) / 10,
      // These names are all allow-listed: no client has made one up.
      requestHeaders: redactHeaders(this.#sent, () => true),
      responseHeaders: response ? redactHeaders(response.headers, isReturned) : undefined,
    }
    logger.debug(line, 'sent to Google')
  }
}
