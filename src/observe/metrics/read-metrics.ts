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
export function readCounter(registry: Registry, { name, help, labels: labelNames = [], read }: ReadMetric): void {
  new Counter({
    name: metricName(name),
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset()
      for (const [labels, value] of read()) this.inc(labels, value)
    },
  })
}

/** The same for what goes up and down. */
export function readGauge(registry: Registry, { name, help, labels: labelNames = [], read }: ReadMetric): void {
  new Gauge({
    name: metricName(name),
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset()
      for (const [labels, value] of read()) this.set(labels, value)
    },
  })
}
