import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'

export interface TracingReports {
  /** Told once, until spans can be sent again. */
  failing(error: Error | undefined): void
  recovered(): void
}

type Done = Parameters<SpanExporter['export']>[1]

/** The SDK tells nobody that spans can't be sent: this does, once. */
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
