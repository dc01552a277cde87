import { InFlight } from '../concurrency/in-flight.ts'
import type { DicomWebService } from '../config/settings.ts'
import type { RequestEvent } from './request-event.ts'

/** How a request ended: done; instances missing; refused (4xx) or failed (5xx), by Google or the proxy; broken off. */
export type RequestOutcome = 'succeeded' | 'incomplete' | 'rejected' | 'failed' | 'aborted'

/** Requests so far, by service and outcome; those that no service could be told of are under `other`. */
export type RequestCounts = Partial<Record<DicomWebService | 'other', Record<RequestOutcome, number>>>

/** What is remembered of a failure: nothing that a client sent. */
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

/** Bytes of bodies that have passed. */
export interface Traffic {
  readonly account: string
  readonly service: string
  /** From clients. */
  readonly received: number
  /** To clients. */
  readonly sent: number
}

/** All of an account since the start. */
export interface Totals extends Omit<Traffic, 'account' | 'service'> {
  /** Requests that have ended. */
  readonly requests: number
  /** Of these: failed for want of something that is not the client's to mend. */
  readonly failed: number
  /** Of these: uploads of which Google has not stored every instance. */
  readonly incomplete: number
  /** Of these: failed because of the request, or because the client left. */
  readonly rejected: number
}

export interface AccountHistory {
  readonly requests: RequestCounts
  /** The latest first. */
  readonly failures: readonly Failure[]
}

/** Failures remembered per account. */
const maxFailures = 20

interface History {
  readonly requests: RequestCounts
  readonly failures: Failure[]
  readonly ended: { requests: number; failed: number; incomplete: number; rejected: number }
  /** By service, of requests that have ended. */
  readonly bytes: Map<string, { received: number; sent: number }>
}

/** What has become of the requests to each account since the start, and those that are under way. */
export class RequestHistory {
  #accounts: ReadonlyMap<string, History> = new Map()
  readonly #inFlight = new InFlight<RequestEvent>()

  /** @param accounts the names; what names no account is not remembered */
  constructor(accounts: readonly string[]) {
    this.setAccounts(accounts)
  }

  /** The accounts from now on. Those that were there before keep their history. */
  setAccounts(accounts: readonly string[]): void {
    const before = this.#accounts
    this.#accounts = new Map(accounts.map((name) => [name, before.get(name) ?? newHistory()]))
  }

  /** Requests that have come and not ended, the oldest first. */
  get inFlight(): Iterable<RequestEvent> {
    return this.#inFlight
  }

  began(event: RequestEvent): void {
    this.#inFlight.add(event)
  }

  /** To be called once a request has ended. */
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

  /** Also of the bytes of what is under way. */
  totals(account: string): Totals {
    const totals = { ...(this.#accounts.get(account)?.ended ?? noEndedRequests()), received: 0, sent: 0 }
    for (const traffic of this.traffic(account)) {
      totals.received += traffic.received
      totals.sent += traffic.sent
    }
    return totals
  }

  /** Also of what is under way: an upload of half an hour shall not show at its end only. */
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
  // Google's 409 to an upload: some of its instances were not stored.
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
