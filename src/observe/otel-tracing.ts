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
  /** By the SDK's names. */
  readonly batch: {
    readonly scheduledDelayMillis?: number
    readonly exportTimeoutMillis?: number
    readonly maxQueueSize?: number
    readonly maxExportBatchSize?: number
  }
  readonly certificates: CollectorCertificates
  readonly reports: TracingReports
}

/** The SDK's default export timeout for one batch. */
const defaultExportTimeoutMs = 30_000

/** Limit for exporting the last spans at shutdown. */
const shutdownTimeoutMs = 2_000

/**
 * Exports OpenTelemetry spans by OTLP over HTTP, as the `OTEL_EXPORTER_OTLP_*` variables say. The
 * module is loaded only if they are set, because its packages cost start-up time and memory.
 */
export function startTracing({ version, sampler, batch, certificates, reports }: TracingOptions): Tracing {
  const maxLifeMs = batch.exportTimeoutMillis ?? defaultExportTimeoutMs
  const httpAgentOptions = (protocol: string) => collectorAgent(protocol, certificates, maxLifeMs)
  const exporter: SpanExporter = new ReportingExporter(new OTLPTraceExporter({ httpAgentOptions }), reports)
  const own = resourceFromAttributes({ 'service.name': 'gcp-dicomweb-proxy', 'service.version': version })
  // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override these.
  const resource = defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }))
  const spanProcessors = [new BatchSpanProcessor({ exporter, ...batch })]
  const provider = new TracerProvider({ resource, sampler, spanProcessors })
  const tracer = provider.getTracer('gcp-dicomweb-proxy', version)
  return {
    begin: (request, headers) => new RecordedTrace(tracer, request, traceContextOf(headers)),
    async close() {
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, shutdownTimeoutMs).unref())
      await Promise.race([provider.shutdown().catch(() => {}), timeout])
    },
  }
}

/** One span for the request, with a child span for each attempt. */
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

  beginAttempt(attempt: number, instances?: number): AttemptTrace {
    const attributes = {
      // Absent for the first attempt (semantic conventions of HTTP clients).
      ...(attempt > 1 && { 'http.request.resend_count': attempt - 1 }),
      ...(instances !== undefined && { 'dicomweb.instances': instances }),
    }
    const context = trace.setSpan(ROOT_CONTEXT, this.#span)
    const span = this.#tracer.startSpan('attempt', { kind: SpanKind.CLIENT, attributes }, context)
    const { traceId, spanId, traceFlags: flags } = span.spanContext()
    const headers = traceHeaders({ traceId, spanId, flags, state: this.#state })
    return { headers, end: (result) => endAttempt(span, result) }
  }

  end(request: TracedRequest): void {
    const { method, route, status, abortedBy } = request
    if (route !== undefined) this.#span.updateName(`${method} ${route}`)
    this.#span.setAttributes(attributesOf(request))
    // A 4xx is not an error of the server (semantic conventions of HTTP servers).
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

/** No UID, query value, personal name or path: the route is a template. */
function attributesOf(request: TracedRequest): Attributes {
  const { method, httpVersion, route, status, code, layer, abortedBy, account, service, attempts } = request
  const { requestId, batches, instances, progress } = request
  const attributes: Record<string, string | number | undefined> = {
    'http.request.method': method,
    'network.protocol.version': httpVersion,
    'http.route': route,
    'http.response.status_code': status ?? undefined,
    'http.request.body.size': progress.received,
    'http.response.body.size': progress.sent,
    'error.type': code ?? (abortedBy && `aborted by ${abortedBy}`),
    'dicomweb.account': account,
    'dicomweb.service': service,
    'dicomweb.layer': layer,
    'dicomweb.attempts': attempts,
    'dicomweb.batches': batches?.sent,
    'dicomweb.batches_repeated': batches?.repeated,
    'dicomweb.batches_failed': batches?.failed,
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
