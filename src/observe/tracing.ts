import type { DicomWebService } from '../config/settings.ts'
import { type TraceContext, traceContextOf, traceHeaders } from './trace-context.ts'

/** The traced properties of a request and its outcome. */
export interface TracedRequest {
  readonly requestId: string
  readonly method: string
  readonly httpVersion: string
  /** Milliseconds since the request arrived. */
  readonly age: number
  readonly account: string | undefined
  readonly service: DicomWebService | undefined
  /** The path as a template, without identifiers. */
  readonly route: string | undefined
  readonly status: number | null
  readonly code: string | undefined
  readonly layer: string | undefined
  readonly abortedBy: string | undefined
  readonly attempts: number
  readonly batches: { readonly sent: number; readonly repeated: number; readonly failed: number } | undefined
  readonly instances: { readonly stored: number; readonly failed: number } | undefined
  readonly progress: { readonly received: number; readonly sent: number }
}

/** How an attempt to send a request to Google ended. */
export interface AttemptResult {
  /** The status of Google's response; null without one. */
  readonly status: number | null
  /** The error code, if there was no response. */
  readonly code: string | undefined
}

/** One attempt to send a request to Google. */
export interface AttemptTrace {
  /** For Google. */
  readonly headers: Readonly<Record<string, string>>
  end(result: AttemptResult): void
}

/** One request as part of a trace. It contains no secrets and no patient data. */
export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** @param instances of the batch, if that is what is sent */
  beginAttempt(attempt: number, instances?: number): AttemptTrace
  /** Call this once the request has ended. */
  end(request: TracedRequest): void
}

export interface Tracing {
  /** @param headers the client's */
  begin(request: TracedRequest, headers: Headers): RequestTrace
  /** Exports the pending spans. Never rejects. */
  close(): Promise<void>
}

type Headers = Parameters<typeof traceContextOf>[0]

/**
 * Propagates a valid context unchanged, without recording spans. Otherwise the request id becomes
 * the trace id, so that everything found at Google leads to the request's log line.
 */
export const passThroughTracing: Tracing = {
  begin: (request, headers) => new PassThroughTrace(traceContextOf(headers), request),
  async close() {},
}

/** Reuses the random trace id as span id, because a new one would cost 11 µs per request. */
function contextFor(traceId: string): TraceContext {
  return { traceId, spanId: traceId.slice(0, 16), flags: 0, state: null }
}

class PassThroughTrace implements RequestTrace {
  readonly traceId: string
  readonly #context: TraceContext | null

  constructor(context: TraceContext | null, { requestId }: TracedRequest) {
    this.#context = context
    this.traceId = context?.traceId ?? requestId.replaceAll('-', '')
  }

  beginAttempt(): AttemptTrace {
    return { headers: traceHeaders(this.#context ?? contextFor(this.traceId)), end() {} }
  }

  end(): void {}
}
