import {
  AggregatorRegistry,
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client'

/** Gauges that are named like counters, which misleads both people and the checks of Prometheus. */
const misnamed = ['resources', 'handles', 'requests'].map((what) => `nodejs_active_${what}_total`)

/** Memory, processor time and the event loop's lag of this process, by the names that dashboards for Node.js know. */
export function collectProcess(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const name of misnamed) registry.removeSingleMetric(name)
}

/** The same as values that can be handed to another process. */
export type ProcessValues = readonly MetricObjectWithValues<MetricValue<string>>[]

export class ProcessMetrics {
  readonly #registry = new Registry()

  constructor() {
    collectProcess(this.#registry)
  }

  read(): Promise<ProcessValues> {
    return this.#registry.getMetricsAsJSON() as Promise<ProcessValues>
  }
}

/** Those of several processes side by side, in the text format of Prometheus: each with its name as the label `process`. */
export function textOfProcesses(processes: ReadonlyMap<string, ProcessValues>): Promise<string> {
  const named = [...processes].map(([process, metrics]) =>
    metrics.map((metric) => ({
      ...metric,
      // Nothing is merged: no two have the same labels.
      aggregator: 'first' as const,
      values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, process } })),
    })),
  )
  return AggregatorRegistry.aggregate(named).metrics()
}
