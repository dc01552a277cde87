import {
  type Attributes,
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, type Sampler, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import { type CollectorCertificates, collectorAgent } from './collector-agent.ts'
import { ReportingExporter, type TracingReports } from './reporting-exporter.ts'
import { type TraceContext, traceContextOf, traceHeaders } from './trace-context.ts'
import type { AttemptResult, AttemptTrace, RequestTrace, TracedRequest, Tracing } from './tracing.ts'

export interface TracingOptions {
  readonly version: string
  readonly sampler: Sampler
  /** Milliseconds and numbers of spans, by the names of the SDK. */
  readonly batch: {
    readonly scheduledDelayMillis?: number
    readonly exportTimeoutMillis?: number
    readonly maxQueueSize?: number
    readonly maxExportBatchSize?: number
  }
  readonly certificates: CollectorCertificates
  readonly reports: TracingReports
}

/** Milliseconds for one batch, unless the environment says otherwise: the SDK's own default. */
const defaultExportTimeoutMs = 30_000

/** Milliseconds that the last spans may take at the end. */
const shutdownTimeoutMs = 2_000

/**
 * Spans by OpenTelemetry, sent by OTLP over HTTP to where the environment's `OTEL_EXPORTER_OTLP_…` say. This module is only
 * loaded where they do: the packages underneath take a moment and some memory.
 */
export function startTracing({ version, sampler, batch, certificates, reports }: TracingOptions): Tracing {
  const maxLifeMs = batch.exportTimeoutMillis ?? defaultExportTimeoutMs
  const httpAgentOptions = (protocol: string) => collectorAgent(protocol, certificates, maxLifeMs)
  const exporter: SpanExporter = new ReportingExporter(new OTLPTraceExporter({ httpAgentOptions }), reports)
  const own = resourceFromAttributes({ 'service.name': 'gcp-dicomweb-proxy', 'service.version': version })
  // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
  const resource = defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }))
  const spanProcessors = [new BatchSpanProcessor({ exporter, ...batch })]
  const provider = new TracerProvider({ resource, sampler, spanProcessors })
  const tracer = provider.getTracer('gcp-dicomweb-proxy', version)
  return {
    begin: (request, headers) => new RecordedTrace(tracer, request, traceContextOf(headers)),
    async close() {
      const enough = new Promise<void>((resolve) => setTimeout(resolve, shutdownTimeoutMs).unref())
      await Promise.race([provider.shutdown().catch(() => {}), enough])
    },
  }
}

/** A span for the request, and one below it for each try. */
class RecordedTrace implements RequestTrace {
  readonly #tracer: Tracer
  readonly #span: Span
  readonly #state: string | null

  constructor(tracer: Tracer, request: TracedRequest, parent: TraceContext | null) {
    this.#tracer = tracer
    this.#state = parent?.state ?? null
    const options = { kind: SpanKind.SERVER, startTime: Date.now() - request.age }
    this.#span = tracer.startSpan(request.method, options, remote(parent))
  }

  get traceId(): string {
    return this.#span.spanContext().traceId
  }

  beginAttempt(attempt: number): AttemptTrace {
    const attributes = { 'dicomweb.attempt': attempt }
    const context = trace.setSpan(ROOT_CONTEXT, this.#span)
    const span = this.#tracer.startSpan('try', { kind: SpanKind.CLIENT, attributes }, context)
    const { traceId, spanId, traceFlags: flags } = span.spanContext()
    const headers = traceHeaders({ traceId, spanId, flags, state: this.#state })
    return { headers, end: (result) => endAttempt(span, result) }
  }

  end(request: TracedRequest): void {
    const { method, route, status, abortedBy } = request
    if (route !== undefined) this.#span.updateName(`${method} ${route}`)
    this.#span.setAttributes(attributesOf(request))
    // A refusal is the client's own mistake (semantic conventions of HTTP servers).
    if (abortedBy !== undefined || (status ?? 500) >= 500) this.#span.setStatus({ code: SpanStatusCode.ERROR })
    this.#span.end()
  }
}

function remote(parent: TraceContext | null) {
  if (!parent) return ROOT_CONTEXT
  const { traceId, spanId, flags: traceFlags, state } = parent
  const traceState = state === null ? {} : { traceState: createTraceState(state) }
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, ...traceState, isRemote: true })
}

/** No UID, no value of a query, no name of a person, no path: the route has names in their places. */
function attributesOf(request: TracedRequest): Attributes {
  const { method, route, status, code, layer, abortedBy, account, service, attempts, requestId, instances, progress } =
    request
  const attributes: Record<string, string | number | undefined> = {
    'http.request.method': method,
    'http.route': route,
    'http.response.status_code': status ?? undefined,
    'http.request.body.size': progress.received,
    'http.response.body.size': progress.sent,
    'error.type': code ?? (abortedBy && `cut by ${abortedBy}`),
    'dicomweb.account': account,
    'dicomweb.service': service,
    'dicomweb.layer': layer,
    'dicomweb.attempts': attempts,
    'dicomweb.request_id': requestId,
    'dicomweb.instances_stored': instances?.stored,
    'dicomweb.instances_failed': instances?.failed,
  }
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
}

function endAttempt(span: Span, { status, code }: AttemptResult): void {
  if (status !== null) span.setAttribute('http.response.status_code', status)
  if (code !== undefined) span.setAttribute('error.type', code)
  if (status === null || status >= 400) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}
