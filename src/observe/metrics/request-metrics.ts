import { Counter, Histogram, type Registry } from 'prom-client'
import type { RequestEvent } from '../request-event.ts'
import { metricName } from './metric-name.ts'
import { statusLabel } from './status-label.ts'

/** Seconds: from a cached search to a study that takes half an hour, Google's own limit. */
const buckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800]

/** What a metric is counted by. An empty value is the same as no label: it was not known of the request. */
const byService = ['account', 'service'] as const
const byRequest = [...byService, 'route', 'status', 'layer'] as const

/**
 * What is counted once per request, at its end: about 1 µs in all. No label takes its value from what a client or Google
 * sent: accounts are those of the configuration, services, routes and layers come from tables of ours.
 */
export class RequestMetrics {
  readonly #requests: Counter<(typeof byRequest)[number]>
  readonly #duration: Histogram<(typeof byService)[number]>
  readonly #firstByte: Histogram<(typeof byService)[number]>
  readonly #attempts: Counter<(typeof byService)[number]>
  readonly #instances: Readonly<Record<'stored' | 'failed' | 'warned', Counter<'account'>>>
  /** Null while nobody has taken an account away. */
  #accounts: ReadonlySet<string> | null = null

  /** @param accounts those that are there now */
  constructor(registry: Registry, accounts: () => Iterable<{ readonly name: string }>) {
    const registers = [registry]
    const counter = (name: string, help: string) =>
      new Counter({ name: metricName(name), help, labelNames: byService, registers })
    const histogram = (name: string, help: string) =>
      new Histogram({ name: metricName(name), help, labelNames: byService, buckets, registers })
    const instances = (name: string, help: string) =>
      new Counter({
        name: metricName(name),
        help,
        labelNames: ['account'],
        registers,
        collect() {
          // Prometheus sees no increase where a series begins: the first instance that is lost must be one.
          for (const { name: account } of accounts()) this.inc({ account }, 0)
        },
      })
    this.#requests = new Counter({
      name: metricName('requests_total'),
      help: 'Requests that have ended. layer says whose trouble a failure is (client, proxy, token, upstream), and is empty where all went well; status is empty where there was no answer.',
      labelNames: byRequest,
      registers,
    })
    this.#duration = histogram('request_duration_seconds', 'Time from the head of a request to the end of its answer.')
    this.#firstByte = histogram(
      'request_first_byte_seconds',
      "Time from the head of a request to the first byte of Google's answer.",
    )
    this.#attempts = counter('upstream_attempts_total', 'Times that requests were sent to Google.')
    this.#instances = {
      stored: instances('instances_stored_total', 'Instances of uploads that Google has stored.'),
      failed: instances('instances_failed_total', 'Instances of uploads that Google has not stored.'),
      warned: instances('instances_warned_total', 'Of the stored instances: those that Google changed or warns of.'),
    }
  }

  /** The accounts from now on. What was counted for others goes, and what of theirs still ends is not counted. */
  async setAccounts(accounts: readonly string[]): Promise<void> {
    const kept = new Set(accounts)
    this.#accounts = kept
    const each = [this.#requests, this.#duration, this.#firstByte, this.#attempts, ...Object.values(this.#instances)]
    await Promise.all(each.map((metric) => removeOthers(metric, kept)))
  }

  record(event: RequestEvent): void {
    const { account = '', service = '', route = '', layer = '', instances, attempts, firstByteAfter } = event
    if (this.#accounts && account !== '' && !this.#accounts.has(account)) return
    const labels = { account, service }
    this.#requests.inc({ account, service, route, status: statusLabel(event.status), layer })
    this.#duration.observe(labels, event.age / 1000)
    if (firstByteAfter !== undefined) this.#firstByte.observe(labels, firstByteAfter / 1000)
    if (attempts > 0) this.#attempts.inc(labels, attempts)
    if (!instances) return
    this.#instances.stored.inc({ account }, instances.stored)
    this.#instances.failed.inc({ account }, instances.failed)
    this.#instances.warned.inc({ account }, instances.warned)
  }
}

type Series = Partial<Record<string, string | number>>

async function removeOthers(
  metric: { get(): Promise<{ values: readonly { labels: Series }[] }>; remove(labels: Series): void },
  kept: ReadonlySet<string>,
): Promise<void> {
  const { values } = await metric.get()
  for (const { labels } of values) {
    // Of a histogram, each bucket is a value.
    const { le: _bucket, ...series } = labels
    if (series.account && !kept.has(String(series.account))) metric.remove(series)
  }
}
