import type { DicomWebService } from '../config/settings.ts'
import { type TraceContext, traceContextOf, traceHeaders } from './trace-context.ts'

/** What is known of a request, and how it went. */
export interface TracedRequest {
  readonly requestId: string
  readonly method: string
  /** Milliseconds since it came. */
  readonly age: number
  readonly account: string | undefined
  readonly service: DicomWebService | undefined
  /** The path with names in place of identifiers. */
  readonly route: string | undefined
  readonly status: number | null
  readonly code: string | undefined
  readonly layer: string | undefined
  readonly abortedBy: string | undefined
  readonly attempts: number
  readonly instances: { readonly stored: number; readonly failed: number } | undefined
  readonly progress: { readonly received: number; readonly sent: number }
}

/** How a try to send a request to Google ended. */
export interface AttemptResult {
  /** Of Google's answer; null without one. */
  readonly status: number | null
  /** Of the failure, where there was no answer. */
  readonly code: string | undefined
}

/** One try to send a request to Google. */
export interface AttemptTrace {
  /** For Google. */
  readonly headers: Readonly<Record<string, string>>
  end(result: AttemptResult): void
}

/** One request, as a part of a trace. Nothing of it is a secret, or about a patient. */
export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  beginAttempt(attempt: number): AttemptTrace
  /** To be called once the request has ended. */
  end(request: TracedRequest): void
}

export interface Tracing {
  /** @param headers the client's */
  begin(request: TracedRequest, headers: Headers): RequestTrace
  /** Sends what is still to be sent. Never rejects. */
  close(): Promise<void>
}

type Headers = Parameters<typeof traceContextOf>[0]

/**
 * Without traces of our own: a valid context passes as it came. Where there is none, the trace is named by the request, so that
 * whatever is found at Google leads to its line in the log.
 */
export const passThroughTracing: Tracing = {
  begin: (request, headers) => new PassThroughTrace(traceContextOf(headers), request),
  async close() {},
}

/** One span, as no part of it is recorded. Its id is random already: eight random bytes of its own cost 11 µs for each request. */
function named(traceId: string): TraceContext {
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
    return { headers: traceHeaders(this.#context ?? named(this.traceId)), end() {} }
  }

  end(): void {}
}
