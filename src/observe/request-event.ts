import { randomUUID } from 'node:crypto'
import type { DicomWebService } from '../config/settings.ts'
import type { ErrorCode, Layer } from '../errors.ts'
import type { Logger } from './logger.ts'

/** What one request was and how it went: no identifier of a patient, study, series or instance, and no header. */
export class RequestEvent {
  readonly requestId = randomUUID()
  readonly client: string
  readonly method: string
  account: string | undefined
  service: DicomWebService | undefined
  route: string | undefined
  /** Of the answer that the client got, as far as it got one. */
  status: number | null = null
  /** The proxy's own answer, when it was not Google's. */
  code: ErrorCode | undefined
  layer: Layer | undefined
  detail: string | undefined
  /** The answer, or the request, ended before its end, and who ended it. */
  cutBy: 'client' | 'upstream' | 'proxy' | undefined
  /** Times that the request was sent to Google. */
  attempts = 0
  readonly progress = { received: 0, sent: 0, firstByteAt: null as number | null }
  readonly #startedAt = performance.now()
  #tokenAt: number | null = null

  constructor(client: string, method: string) {
    this.client = client
    this.method = method
  }

  tokenReceived(): void {
    this.#tokenAt ??= performance.now()
  }

  /** Writes the one line about this request. */
  log(logger: Logger): void {
    const { client, method, account, service, route, status, code, layer, detail, cutBy, attempts, requestId } = this
    const line = {
      requestId,
      client,
      method,
      account,
      service,
      route,
      status,
      code,
      layer,
      detail,
      cutBy,
      attempts,
      bytesReceived: this.progress.received,
      bytesSent: this.progress.sent,
      tokenMs: this.#since(this.#tokenAt),
      firstByteMs: this.#since(this.progress.firstByteAt),
      totalMs: this.#since(performance.now()),
    }
    if (code || cutBy || (status ?? 0) >= 500) logger.warn(line, 'request')
    else logger.info(line, 'request')
  }

  #since(at: number | null): number | undefined {
    return at === null ? undefined : Math.round((at - this.#startedAt) * 10) / 10
  }
}
