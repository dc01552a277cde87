import { InFlight } from '../concurrency/in-flight.ts'
import type { DicomWebService } from '../config/settings.ts'
import type { RequestEvent } from './request-event.ts'

/**
 * How a request ended: completely; with instances not stored; rejected (4xx) or failed (5xx), by
 * Google or the proxy; aborted.
 */
export type RequestOutcome = 'succeeded' | 'incomplete' | 'rejected' | 'failed' | 'aborted'

/** Requests by service and outcome. Those without a known service are under `other`. */
export type RequestCounts = Partial<Record<DicomWebService | 'other', Record<RequestOutcome, number>>>

/** What is stored about a failure: nothing that a client sent. */
export interface Failure
  extends Pick<
    RequestEvent,
    | 'requestId'
    | 'service'
    | 'route'
    | 'status'
    | 'code'
    | 'layer'
    | 'attempts'
    | 'abortedBy'
    | 'googleMessage'
    | 'detail'
  > {
  /** When the request ended; ISO 8601. */
  readonly time: string
  readonly instancesStored: number | undefined
  readonly instancesFailed: number | undefined
}

/** Body bytes transferred. */
export interface Traffic {
  readonly account: string
  readonly service: string
  /** From clients. */
  readonly received: number
  /** To clients. */
  readonly sent: number
}

/** Totals of an account since the start. */
export interface Totals extends Omit<Traffic, 'account' | 'service'> {
  /** Requests that have ended. */
  readonly requests: number
  /** Those that failed for a reason that the client can't fix. */
  readonly failed: number
  /** Uploads with instances that Google didn't store. */
  readonly incomplete: number
  /** Those that failed because of the request, or that the client aborted. */
  readonly rejected: number
}

export interface AccountHistory {
  readonly requests: RequestCounts
  /** The latest first. */
  readonly failures: readonly Failure[]
}

/** Failures stored per account. */
const maxFailures = 20

interface History {
  readonly requests: RequestCounts
  readonly failures: Failure[]
  readonly ended: { requests: number; failed: number; incomplete: number; rejected: number }
  /** Bytes of requests that have ended, by service. */
  readonly bytes: Map<string, { received: number; sent: number }>
}

/** The requests of each account since the start, and those in flight. */
export class RequestHistory {
  #accounts: ReadonlyMap<string, History> = new Map()
  readonly #inFlight = new InFlight<RequestEvent>()

  /** @param accounts names; requests to others are not stored */
  constructor(accounts: readonly string[]) {
    this.setAccounts(accounts)
  }

  /** Replaces the accounts. Those that remain keep their history. */
  setAccounts(accounts: readonly string[]): void {
    const before = this.#accounts
    this.#accounts = new Map(accounts.map((name) => [name, before.get(name) ?? newHistory()]))
  }

  /** Requests in flight, the oldest first. */
  get inFlight(): Iterable<RequestEvent> {
    return this.#inFlight
  }

  began(event: RequestEvent): void {
    this.#inFlight.add(event)
  }

  /** Call this once a request has ended. */
  record(event: RequestEvent): void {
    this.#inFlight.remove(event)
    const history = this.#accounts.get(event.account ?? '')
    if (!history) return
    const { requests, failures, ended, bytes } = history
    ended.requests += 1
    const service = event.service ?? 'other'
    addTo(bytes, service, event.progress)
    const counts = requests[service] ?? { succeeded: 0, incomplete: 0, rejected: 0, failed: 0, aborted: 0 }
    counts[outcomeOf(event)] += 1
    requests[service] = counts
    if (!event.failed) return
    ended[kindOf(event)] += 1
    failures.unshift(failureOf(event))
    failures.length = Math.min(failures.length, maxFailures)
  }

  of(account: string): AccountHistory {
    const { requests, failures } = this.#accounts.get(account) ?? { requests: {}, failures: [] }
    return { requests, failures }
  }

  /** Includes the bytes of requests in flight. */
  totals(account: string): Totals {
    const totals = { ...(this.#accounts.get(account)?.ended ?? noEndedRequests()), received: 0, sent: 0 }
    for (const traffic of this.traffic(account)) {
      totals.received += traffic.received
      totals.sent += traffic.sent
    }
    return totals
  }

  /** Includes requests in flight, so that a long upload shows before its end. */
  *traffic(only?: string): Generator<Traffic> {
    for (const [account, { bytes }] of this.#accounts) {
      if (only !== undefined && account !== only) continue
      const all = new Map([...bytes].map(([service, passed]) => [service, { ...passed }]))
      for (const event of this.#inFlight) {
        if (event.account === account && event.service) addTo(all, event.service, event.progress)
      }
      for (const [service, passed] of all) yield { account, service, ...passed }
    }
  }
}

function newHistory(): History {
  return { requests: {}, failures: [], ended: noEndedRequests(), bytes: new Map() }
}

function noEndedRequests() {
  return { requests: 0, failed: 0, incomplete: 0, rejected: 0 }
}

function addTo(bytes: History['bytes'], service: string, { received, sent }: RequestEvent['progress']): void {
  const passed = bytes.get(service) ?? { received: 0, sent: 0 }
  passed.received += received
  passed.sent += sent
  bytes.set(service, passed)
}

function kindOf(event: RequestEvent): 'failed' | 'incomplete' | 'rejected' {
  if (event.layer === 'client') return 'rejected'
  return outcomeOf(event) === 'incomplete' ? 'incomplete' : 'failed'
}

export function outcomeOf(event: RequestEvent): RequestOutcome {
  if (event.abortedBy) return 'aborted'
  if (!event.failed) return 'succeeded'
  const { status, service, code } = event
  if (status !== null && status >= 500) return 'failed'
  // Google's 409 to an upload: some instances were not stored.
  const isIncomplete = status === null || status < 400 || (service === 'STOW-RS' && status === 409 && !code)
  return isIncomplete ? 'incomplete' : 'rejected'
}

function failureOf(event: RequestEvent): Failure {
  const { requestId, service, route, status, code, layer, attempts, abortedBy, googleMessage, instances, detail } =
    event
  return {
    time: new Date().toISOString(),
    requestId,
    service,
    route,
    status,
    code,
    layer,
    attempts,
    abortedBy,
    googleMessage,
    detail,
    instancesStored: instances?.stored,
    instancesFailed: instances?.failed,
  }
}
