import { Counter, Gauge, type Registry } from 'prom-client'

export type Labels = Readonly<Record<string, string>>

/** A value and its labels. */
export type Reading = readonly [labels: Labels, value: number]

interface ReadMetric {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
  /** Called at each scrape. */
  readonly read: () => Iterable<Reading>
}

/** Reads a counter that other code maintains at each scrape, at no cost per request. */
export function registerCounter(registry: Registry, metric: ReadMetric): void {
  new Counter({
    ...optionsOf(registry, metric),
    collect() {
      this.reset()
      for (const [labels, value] of metric.read()) this.inc(labels, value)
    },
  })
}

/** The same for a gauge. */
export function registerGauge(registry: Registry, metric: ReadMetric): void {
  new Gauge({
    ...optionsOf(registry, metric),
    collect() {
      this.reset()
      for (const [labels, value] of metric.read()) this.set(labels, value)
    },
  })
}

function optionsOf(registry: Registry, { name, help, labels = [] }: ReadMetric) {
  return { name: metricName(name), help, labelNames: labels, registers: [registry] }
}

/** The full name of a metric (https://prometheus.io/docs/practices/naming/). */
export function metricName(name: string): string {
  return `gcp_dicomweb_proxy_${name}`
}
