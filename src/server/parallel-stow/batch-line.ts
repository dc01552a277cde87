import type { BatchSent } from '../../forward/batch-sender.ts'
import type { Logger } from '../../observe/logger.ts'
import type { RequestEvent } from '../../observe/request-event.ts'

/** The log line of `HttpVerbose` for one attempt to send a batch to Google. */
export class BatchLine {
  readonly #event: RequestEvent
  readonly #attempt: number
  readonly #batch: { readonly instances: number; readonly length: number | null }
  readonly #startedAt = performance.now()

  constructor(event: RequestEvent, attempt: number, batch: { instances: number; length: number | null }) {
    this.#event = event
    this.#attempt = attempt
    this.#batch = batch
  }

  /** Writes the line, once the attempt has ended. */
  write(logger: Logger, sent: BatchSent): void {
    const { requestId, account, service, method, route } = this.#event
    const line = {
      requestId,
      account,
      service,
      method,
      route,
      attempt: this.#attempt,
      instances: this.#batch.instances,
      bytes: this.#batch.length ?? undefined,
      status: sent.kind === 'response' ? sent.response.status : null,
      code: sent.kind === 'failed' ? sent.error.code : undefined,
      milliseconds: Math.round((performance.now() - this.#startedAt) * 10) / 10,
    }
    logger.debug(line, 'batch sent to Google')
  }
}
