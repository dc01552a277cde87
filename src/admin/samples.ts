import type { Totals } from '../observe/request-history.ts'
import type { Account, ProxyStatus } from './proxy-status.ts'

/** What happened since the previous sample. */
export interface Sample extends Totals {
  /** Epoch milliseconds. */
  readonly at: number
}

interface Series {
  totals: Totals
  readonly samples: Sample[]
}

/** Samples of each account over the last ten minutes, for plots and for its state. */
export class Samples {
  readonly #proxy: Pick<ProxyStatus, 'accounts' | 'history'>
  readonly #maxSamples: number
  readonly #series = new Map<string, Series>()

  /** @param maxSamples samples kept per account */
  constructor(proxy: Pick<ProxyStatus, 'accounts' | 'history'>, maxSamples: number) {
    this.#proxy = proxy
    this.#maxSamples = maxSamples
    this.take()
  }

  /** The oldest first. */
  of(account: string): readonly Sample[] {
    return this.#series.get(account)?.samples ?? []
  }

  /** The same, with what has happened since the last one was taken. */
  upToNow(account: string): readonly Sample[] {
    const { samples = [], totals = null } = this.#series.get(account) ?? {}
    const now = this.#proxy.history.totals(account)
    const isKnown = totals !== null && totals.requests <= now.requests
    return [...samples, { at: Date.now(), ...(isKnown ? difference(now, totals) : now) }]
  }

  /** Call this at regular intervals. */
  take(): void {
    const accounts = [...this.#proxy.accounts()]
    for (const name of this.#series.keys()) if (!accounts.some((one) => one.name === name)) this.#series.delete(name)
    for (const account of accounts) this.#sample(account)
  }

  /** The same for accounts without a sample, which then have what has happened so far. */
  takeFirst(): void {
    for (const account of this.#proxy.accounts()) if (this.of(account.name).length === 0) this.#sample(account)
  }

  #sample({ name }: Account): void {
    const totals = this.#proxy.history.totals(name)
    const series = this.#series.get(name)
    // An account that was removed and added again restarts at 0.
    if (!series || totals.requests < series.totals.requests) {
      this.#series.set(name, { totals, samples: [] })
      return
    }
    series.samples.push({ at: Date.now(), ...difference(totals, series.totals) })
    if (series.samples.length > this.#maxSamples) series.samples.shift()
    series.totals = totals
  }
}

function difference(now: Totals, before: Totals): Totals {
  const { requests, failed, incomplete, doubtful, rejected, received, sent } = now
  return {
    requests: requests - before.requests,
    failed: failed - before.failed,
    incomplete: incomplete - before.incomplete,
    doubtful: doubtful - before.doubtful,
    rejected: rejected - before.rejected,
    received: received - before.received,
    sent: sent - before.sent,
  }
}
