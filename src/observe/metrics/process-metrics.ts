import { collectDefaultMetrics, Registry } from 'prom-client'

/** Gauges named like counters, which misleads people and Prometheus's linter. */
const misnamedGauges = ['resources', 'handles', 'requests'].map((what) => `nodejs_active_${what}_total`)

let registry: Registry | null = null

/**
 * Memory, CPU time and event loop lag, under the names that Node.js dashboards use. They are the
 * process's: all proxies in it share them, because prom-client never stops watching the event loop
 * and garbage collection once it has begun.
 */
export function processMetrics(): Registry {
  if (registry) return registry
  registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of misnamedGauges) registry.removeSingleMetric(name)
  return registry
}
