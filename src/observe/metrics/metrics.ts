import { Registry } from 'prom-client'
import type { RequestView } from '../request-event.ts'
import { collectProcess } from './process-metrics.ts'
import { type ProxyState, readAudit, readState, readWorkers } from './proxy-state.ts'
import { RequestMetrics } from './request-metrics.ts'

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
    // Where several processes work together, what each of them uses is shown side by side, by others.
    if (state.workers) readWorkers(this.#registry, state.workers)
    else collectProcess(this.#registry)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** To be called once a request has ended. */
  record(event: RequestView): void {
    this.#requests.record(event)
  }

  /** The accounts from now on: the series of others end. */
  keepOnly(accounts: readonly string[]): Promise<void> {
    return this.#requests.keepOnly(accounts)
  }

  async text(): Promise<string> {
    const audit = this.#state.audit() ? await this.#auditRegistry.metrics() : ''
    return (await this.#registry.metrics()) + audit
  }
}
