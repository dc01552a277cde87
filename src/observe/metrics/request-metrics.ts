import { Counter, Histogram, type Registry } from 'prom-client'
import { dicomWebServices } from '../../config/settings.ts'
import { failureKindOf } from '../failure-kind.ts'
import type { RequestEvent } from '../request-event.ts'
import { metricName } from './read-metrics.ts'

/**
 * Seconds: from a cached search to a study that takes half an hour, Google's own limit ("Quotas and
 * limits").
 */
const buckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800]

/** The labels. An empty value equals a missing label: it was unknown for the request. */
const byService = ['account', 'service'] as const
const byRequest = [...byService, 'route', 'status', 'layer'] as const

/**
 * Counts each request once, at its end, in about 1 µs. No label value comes from a client or from
 * Google: accounts come from the configuration; services, routes and layers from fixed tables.
 */
export class RequestMetrics {
  readonly #requests: Counter<(typeof byRequest)[number]>
  readonly #failed: Counter<(typeof byService)[number]>
  readonly #duration: Histogram<(typeof byService)[number]>
  readonly #firstByte: Histogram<(typeof byService)[number]>
  readonly #attempts: Counter<(typeof byService)[number]>
  readonly #batches: Readonly<Record<'sent' | 'repeated' | 'failed', Counter<'account'>>>
  readonly #instances: Readonly<Record<'stored' | 'failed' | 'warned' | 'identical', Counter<'account'>>>
  /** All of these, whose series go with their account. */
  readonly #all: AccountMetric[] = []
  /** Null until an account is removed. */
  #accounts: ReadonlySet<string> | null = null

  /** @param accounts the current ones */
  constructor(registry: Registry, accounts: () => Iterable<{ readonly name: string }>) {
    const registers = [registry]
    const add = <Metric extends AccountMetric>(metric: Metric): Metric => {
      this.#all.push(metric)
      return metric
    }
    const counter = (name: string, help: string) =>
      add(new Counter({ name: metricName(name), help, labelNames: byService, registers }))
    const histogram = (name: string, help: string) =>
      add(new Histogram({ name: metricName(name), help, labelNames: byService, buckets, registers }))
    const perAccount = (name: string, help: string) =>
      add(
        new Counter({
          name: metricName(name),
          help,
          labelNames: ['account'],
          registers,
          collect() {
            // Prometheus sees no increase when a series begins, and must see the first lost
            // instance.
            for (const { name: account } of accounts()) this.inc({ account }, 0)
          },
        }),
      )
    this.#requests = add(
      new Counter({
        name: metricName('requests_total'),
        help: 'Completed requests. layer is the cause of a failure (client, proxy, token, upstream), or empty; status is empty without a response.',
        labelNames: byRequest,
        registers,
      }),
    )
    this.#failed = add(
      new Counter({
        name: metricName('requests_failed_total'),
        help: 'Requests that failed, and not because of the request itself or its client.',
        labelNames: byService,
        registers,
        collect() {
          for (const { name: account } of accounts())
            for (const service of dicomWebServices) this.inc({ account, service }, 0)
        },
      }),
    )
    this.#duration = histogram('request_duration_seconds', 'Time from the request headers to the end of the response.')
    this.#firstByte = histogram(
      'request_first_byte_seconds',
      "Time from the request headers to the first byte of Google's response.",
    )
    this.#attempts = counter('upstream_attempts_total', 'Attempts to send a request to Google.')
    this.#batches = {
      sent: perAccount('upload_batches_total', 'Batches that uploads were sent in, each counted once.'),
      repeated: perAccount('upload_batches_repeated_total', 'Requests that repeated a batch.'),
      failed: perAccount('upload_batches_failed_total', 'Batches that failed for good.'),
    }
    this.#instances = {
      stored: perAccount('instances_stored_total', 'Uploaded instances that Google stored.'),
      failed: perAccount('instances_failed_total', 'Uploaded instances that Google did not store.'),
      warned: perAccount(
        'instances_warned_total',
        'Stored instances with a warning: Google changed them, or had them already.',
      ),
      identical: perAccount(
        'instances_identical_total',
        'Uploaded instances that Google had already, just the same. They count as stored, with a warning.',
      ),
    }
  }

  /**
   * Replaces the accounts. Series of removed accounts go, and their last requests are not counted.
   */
  async setAccounts(accounts: readonly string[]): Promise<void> {
    const kept = new Set(accounts)
    this.#accounts = kept
    await Promise.all(this.#all.map((metric) => removeOthers(metric, kept)))
  }

  record(event: RequestEvent): void {
    const { account = '', service = '', route = '', layer = '', batches, instances, firstByteAfter } = event
    if (this.#accounts && account !== '' && !this.#accounts.has(account)) return
    const labels = { account, service }
    this.#requests.inc({ account, service, route, status: statusLabel(event.status), layer })
    if (failureKindOf(event) === 'failed') this.#failed.inc(labels)
    this.#duration.observe(labels, event.age / 1000)
    if (firstByteAfter !== undefined) this.#firstByte.observe(labels, firstByteAfter / 1000)
    const attempts = batches ? batches.sent + batches.repeated : event.attempts
    if (attempts > 0) this.#attempts.inc(labels, attempts)
    if (batches) {
      this.#batches.sent.inc({ account }, batches.sent)
      this.#batches.repeated.inc({ account }, batches.repeated)
      this.#batches.failed.inc({ account }, batches.failed)
    }
    if (event.instancesIdentical) this.#instances.identical.inc({ account }, event.instancesIdentical)
    if (!instances) return
    this.#instances.stored.inc({ account }, instances.stored)
    this.#instances.failed.inc({ account }, instances.failed)
    this.#instances.warned.inc({ account }, instances.warned)
  }
}

type Series = Partial<Record<string, string | number>>

interface AccountMetric {
  get(): Promise<{ values: readonly { labels: Series }[] }>
  remove(labels: Series): void
}

async function removeOthers(metric: AccountMetric, kept: ReadonlySet<string>): Promise<void> {
  const { values } = await metric.get()
  for (const { labels } of values) {
    // Each bucket of a histogram is a value.
    const { le: _bucket, ...series } = labels
    if (series.account && !kept.has(String(series.account))) metric.remove(series)
  }
}

/**
 * Statuses with a label of their own. Others are counted by class, to bound the number of series.
 */
const namedStatuses: ReadonlySet<number> = new Set([
  200, 202, 204, 206, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 416, 422, 429, 431, 500,
  501, 502, 503, 504,
])

/** A status as a label value; empty without a response. */
export function statusLabel(status: number | null): string {
  if (status === null) return ''
  return namedStatuses.has(status) ? String(status) : `${Math.trunc(status / 100)}xx`
}
