import { collectDefaultMetrics, Registry } from 'prom-client'
import type { RequestEvent } from '../request-event.ts'
import { type ProxyState, readAudit, readState } from './proxy-state.ts'
import { RequestMetrics } from './request-metrics.ts'

/** Gauges that are named like counters, which misleads both people and the checks of Prometheus. */
const misnamedGauges = ['resources', 'handles', 'requests'].map((what) => `nodejs_active_${what}_total`)

/** What monitoring can read of this proxy, in the text format of Prometheus. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #auditRegistry = new Registry()
  readonly #state: ProxyState
  readonly #requests: RequestMetrics

  constructor(state: ProxyState) {
    this.#state = state
    this.#requests = new RequestMetrics(this.#registry, state.accounts)
    readState(this.#registry, state)
    readAudit(this.#auditRegistry, state)
    // Memory, processor time and the event loop's lag, by the names that dashboards for Node.js know.
    collectDefaultMetrics({ register: this.#registry })
    for (const name of misnamedGauges) this.#registry.removeSingleMetric(name)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** To be called once a request has ended. */
  record(event: RequestEvent): void {
    this.#requests.record(event)
  }

  /** The accounts from now on: the series of others end. */
  setAccounts(accounts: readonly string[]): Promise<void> {
    return this.#requests.setAccounts(accounts)
  }

  async text(): Promise<string> {
    const audit = this.#state.audit() ? await this.#auditRegistry.metrics() : ''
    return (await this.#registry.metrics()) + audit
  }
}
