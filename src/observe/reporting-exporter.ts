import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'

export interface TracingReports {
  /** Called once, until spans can be exported again. */
  failing(error: Error | undefined): void
  recovered(): void
}

type Done = Parameters<SpanExporter['export']>[1]

/** The SDK reports export failures to nobody; this reports them once. */
export class ReportingExporter implements SpanExporter {
  readonly #exporter: SpanExporter
  readonly #reports: TracingReports
  #failing = false

  constructor(exporter: SpanExporter, reports: TracingReports) {
    this.#exporter = exporter
    this.#reports = reports
  }

  export(spans: ReadableSpan[], done: Done): void {
    this.#exporter.export(spans, (result) => {
      // 0 is success (ExportResultCode of @opentelemetry/core).
      if (result.code !== 0 && !this.#failing) this.#reports.failing(result.error)
      if (result.code === 0 && this.#failing) this.#reports.recovered()
      this.#failing = result.code !== 0
      done(result)
    })
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown()
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.()
  }
}
