import { Counter, Gauge, type Registry } from 'prom-client'
import { metricName } from './metric-name.ts'

export type Labels = Readonly<Record<string, string>>

/** A value and the labels that it stands under. */
export type Reading = readonly [labels: Labels, value: number]

interface ReadMetric {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
  /** Asked at each scrape. */
  readonly read: () => Iterable<Reading>
}

/** What others count already, and only add to, is read from them when somebody asks: it costs requests nothing. */
export function readCounter(registry: Registry, metric: ReadMetric): void {
  new Counter({
    ...optionsOf(registry, metric),
    collect() {
      this.reset()
      for (const [labels, value] of metric.read()) this.inc(labels, value)
    },
  })
}

/** The same for what goes up and down. */
export function readGauge(registry: Registry, metric: ReadMetric): void {
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
