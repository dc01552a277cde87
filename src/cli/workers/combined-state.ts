import type { Account, Occupancy } from '../../admin/operation.ts'
import { dicomWebServices, type Settings } from '../../config/settings.ts'
import { DescribedCredential } from '../../credentials/credential-description.ts'
import type { TokenState } from '../../credentials/token-cache.ts'
import type { Metrics } from '../../observe/metrics/metrics.ts'
import type { ConnectionCounts } from '../../observe/metrics/proxy-state.ts'
import type { RequestView } from '../../observe/request-event.ts'
import { RequestHistory } from '../../observe/request-history.ts'
import { dicomStoreOf } from '../../stores/dicom-store.ts'
import { namesOf } from '../proxy.ts'
import type { Report } from './messages.ts'
import { type Refreshes, worst } from './worst-token.ts'

type Counts = Readonly<Record<string, number>>
type Changing<Type> = { -readonly [Key in keyof Type]: Type[Key] }

/** What the workers report, as of one proxy. What they have counted stays when they end. */
export class CombinedState {
  readonly history: RequestHistory
  readonly #metrics: () => Pick<Metrics, 'record'>
  readonly #reports = new Map<number, Report>()
  /** Of each worker, by the request's id. */
  readonly #underWay = new Map<number, Map<string, Changing<RequestView>>>()
  /** Of workers that have ended. */
  #refusals: Counts = {}
  #lost = 0
  readonly #refreshes = new Map<string, Refreshes>()
  #accounts: readonly Account[] = []

  /** @param metrics told of each request that has ended */
  constructor(settings: Settings, metrics: () => Pick<Metrics, 'record'>) {
    this.history = new RequestHistory(namesOf(settings))
    this.#metrics = metrics
    this.replace(settings)
  }

  /** The accounts from now on. */
  replace(settings: Settings): void {
    this.history.keepOnly(namesOf(settings))
    this.#accounts = settings.accounts.map((account) => this.#account(account, settings))
  }

  get accounts(): readonly Account[] {
    return this.#accounts
  }

  get connections(): Readonly<Record<string, ConnectionCounts>> {
    const sum: Record<string, ConnectionCounts> = {}
    for (const { connections } of this.#reports.values()) {
      for (const [transport, { busy, idle }] of Object.entries(connections)) {
        const before = sum[transport] ?? { busy: 0, idle: 0 }
        sum[transport] = { busy: before.busy + busy, idle: before.idle + idle }
      }
    }
    return sum
  }

  /** With those of this process. */
  refusalsWith(own: Counts): Counts {
    return [...this.#reports.values()].reduce((sum, { refusals }) => added(sum, refusals), added(own, this.#refusals))
  }

  /** Audit records that did not get to the primary. */
  get lost(): number {
    return [...this.#reports.values()].reduce((sum, { lost }) => sum + lost, this.#lost)
  }

  /** The last report of each worker that there is. */
  get reports(): ReadonlyMap<number, Report> {
    return this.#reports
  }

  apply(worker: number, report: Report): void {
    // Those of the process are only there where they were asked for.
    this.#reports.set(worker, { ...report, process: report.process ?? this.#reports.get(worker)?.process ?? null })
    const known = this.#underWay.get(worker) ?? new Map<string, Changing<RequestView>>()
    this.#underWay.set(worker, known)
    for (const view of report.ended) this.#record(known, view)
    for (const view of report.underWay) {
      const before = known.get(view.requestId)
      if (before) Object.assign(before, view)
      else {
        known.set(view.requestId, view)
        this.history.began(view)
      }
    }
  }

  /**
   * A worker has ended, and with it what was under way there.
   *
   * @returns how many requests that were, as of its last report
   */
  ended(worker: number): number {
    const report = this.#reports.get(worker)
    const underWay = this.#underWay.get(worker) ?? new Map<string, RequestView>()
    const cut = [...underWay.values()]
    for (const view of cut) this.#record(underWay, { ...view, cutBy: 'proxy', layer: 'proxy', failed: true, detail })
    this.#reports.delete(worker)
    this.#underWay.delete(worker)
    if (!report) return cut.length
    this.#refusals = added(this.#refusals, report.refusals)
    this.#lost += report.lost
    for (const { name, token } of report.accounts) {
      const { refreshes, failures } = this.#refreshes.get(name) ?? { refreshes: 0, failures: 0 }
      const sum = { refreshes: refreshes + token.refreshes, failures: failures + token.failures }
      this.#refreshes.set(name, sum)
    }
    return cut.length
  }

  #record(known: Map<string, Changing<RequestView>>, view: RequestView): void {
    const before = known.get(view.requestId)
    known.delete(view.requestId)
    // The history knows it by the object that it was given.
    const ended = before ? Object.assign(before, view) : view
    this.history.record(ended)
    this.#metrics().record(ended)
  }

  #account(account: Settings['accounts'][number], { baseUrl, tokens }: Settings): Account {
    const { name, access, credential } = account
    const places = Object.fromEntries(dicomWebServices.map((service) => [service, this.#occupancy(name, service)]))
    return {
      name,
      access,
      store: dicomStoreOf(account, baseUrl).resourceName,
      credential: new DescribedCredential(credential, tokens.allowedHosts),
      places,
      tokenState: () => this.#tokenState(name),
    }
  }

  #occupancy(account: string, service: string): Occupancy {
    const sum = (figure: keyof Occupancy) =>
      [...this.#accountReports(account)].reduce((total, { places }) => total + (places[service]?.[figure] ?? 0), 0)
    return {
      get underWay() {
        return sum('underWay')
      },
      get waiting() {
        return sum('waiting')
      },
      get limit() {
        return sum('limit')
      },
    }
  }

  #tokenState(account: string): TokenState {
    const states = [...this.#accountReports(account)].map(({ token }) => token)
    return worst(states, this.#refreshes.get(account))
  }

  *#accountReports(account: string): Generator<Report['accounts'][number]> {
    for (const { accounts } of this.#reports.values()) {
      const report = accounts.find(({ name }) => name === account)
      if (report) yield report
    }
  }
}

const detail = 'The process that served the request has ended: see the log for the reason.'

function added(some: Counts, others: Counts): Counts {
  const sum = { ...some }
  for (const [key, count] of Object.entries(others)) sum[key] = (sum[key] ?? 0) + count
  return sum
}
