import { InFlight } from '../concurrency/in-flight.ts'
import type { DicomWebService } from '../config/settings.ts'
import { type Explanation, inOneLine } from '../errors.ts'
import { type FailureKind, failureKindOf } from './failure-kind.ts'
import type { RequestEvent } from './request-event.ts'
import { outcomeOf, type RequestOutcome } from './request-outcome.ts'

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
  readonly kind: FailureKind
  /** How often the same has happened since the start, with this time. */
  readonly times: number
  readonly instancesStored: number | undefined
  readonly instancesFailed: number | undefined
  readonly instancesWarned: number | undefined
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
  /** Those that failed for a reason that the client can't fix, uploads of nothing included. */
  readonly failed: number
  /** Uploads with instances that Google stored, and others that it didn't. */
  readonly incomplete: number
  /** Successes by their status that may be none. */
  readonly doubtful: number
  /** Those that failed because of the request, or that the client aborted. */
  readonly rejected: number
}

export interface AccountHistory {
  readonly requests: RequestCounts
  /** The latest first. */
  readonly failures: readonly Failure[]
}

/**
 * Different failures stored per account, and as many again of those that say nothing about the
 * account.
 */
const maxFailures = 20
/** Different failures that are counted, per account. */
const maxCounted = 200

type Ended = Pick<Totals, 'requests' | 'failed' | 'incomplete' | 'doubtful' | 'rejected'>

interface History {
  readonly requests: RequestCounts
  /** Each once, by what makes it different; the latest last. */
  readonly failures: Map<string, Failure>
  readonly ended: { -readonly [Figure in keyof Ended]: Ended[Figure] }
  /** How often each failure has happened. */
  readonly times: Map<string, number>
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
    const kind = failureKindOf(event)
    if (kind === null) return
    if (kind !== 'warned') ended[kind] += 1
    const key = keyOf(event, kind)
    failures.delete(key)
    failures.set(key, failureOf(event, kind, countOf(history.times, key)))
    dropOldest(failures, isAboutAccount(kind))
  }

  of(account: string): AccountHistory {
    const { requests, failures } = this.#accounts.get(account) ?? { requests: {}, failures: new Map() }
    return { requests, failures: [...failures.values()].reverse() }
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
  return { requests: {}, failures: new Map(), ended: noEndedRequests(), times: new Map(), bytes: new Map() }
}

function noEndedRequests() {
  return { requests: 0, failed: 0, incomplete: 0, doubtful: 0, rejected: 0 }
}

function addTo(bytes: History['bytes'], service: string, { received, sent }: RequestEvent['progress']): void {
  const passed = bytes.get(service) ?? { received: 0, sent: 0 }
  passed.received += received
  passed.sent += sent
  bytes.set(service, passed)
}

function isAboutAccount(kind: FailureKind): boolean {
  return kind !== 'rejected' && kind !== 'warned'
}

/** So many errors of clients come that they would push out what the account is judged by. */
function dropOldest(failures: History['failures'], aboutAccount: boolean): void {
  const same = [...failures].filter(([, { kind }]) => isAboutAccount(kind) === aboutAccount)
  const [oldest] = same
  if (same.length > maxFailures && oldest) failures.delete(oldest[0])
}

/** So many of the same come in an outage that they would push out what is different. */
function keyOf(event: RequestEvent, kind: FailureKind): string {
  const { service, route, status, code, layer, abortedBy, googleMessage, detail } = event
  return JSON.stringify([kind, service, route, status, code, layer, abortedBy, googleMessage, detail])
}

function countOf(times: Map<string, number>, key: string): number {
  const count = (times.get(key) ?? 0) + 1
  // Those that have not happened for the longest time come first.
  times.delete(key)
  times.set(key, count)
  const [oldest] = times.keys()
  if (times.size > maxCounted && oldest !== undefined) times.delete(oldest)
  return count
}

const stored: Explanation = {
  problem: 'Google stored the instances, but changed some or warned about them.',
  remedy: 'Read the Warning Reason (0008,1196) of these instances in the response.',
}

function failureOf(event: RequestEvent, kind: FailureKind, times: number): Failure {
  const { requestId, service, route, status, code, layer, attempts, abortedBy, googleMessage, instances, detail } =
    event
  return {
    time: new Date().toISOString(),
    kind,
    times,
    requestId,
    service,
    route,
    status,
    code,
    layer,
    attempts,
    abortedBy,
    googleMessage,
    detail: detail ?? (kind === 'warned' ? inOneLine(stored) : undefined),
    instancesStored: instances?.stored,
    instancesFailed: instances?.failed,
    instancesWarned: instances?.warned,
  }
}
