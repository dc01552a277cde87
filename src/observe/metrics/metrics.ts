import { Registry } from 'prom-client'
import type { RequestEvent } from '../request-event.ts'
import { processMetrics } from './process-metrics.ts'
import { type ProxyState, registerAudit, registerState } from './proxy-state.ts'
import { RequestMetrics } from './request-metrics.ts'

/** The proxy's metrics in the Prometheus text format. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #auditRegistry = new Registry()
  readonly #state: ProxyState
  readonly #requests: RequestMetrics
  readonly #processRegistry = processMetrics()

  constructor(state: ProxyState) {
    this.#state = state
    this.#requests = new RequestMetrics(this.#registry, state.accounts)
    registerState(this.#registry, state)
    registerAudit(this.#auditRegistry, state)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Call this once a request has ended. */
  record(event: RequestEvent): void {
    this.#requests.record(event)
  }

  /** Replaces the accounts, and removes the series of the others. */
  setAccounts(accounts: readonly string[]): Promise<void> {
    return this.#requests.setAccounts(accounts)
  }

  async text(): Promise<string> {
    const audit = this.#state.audit() ? await this.#auditRegistry.metrics() : ''
    return (await this.#registry.metrics()) + (await this.#processRegistry.metrics()) + audit
  }
}
