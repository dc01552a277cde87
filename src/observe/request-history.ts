import type { DicomWebService } from '../config/settings.ts'
import type { RequestEvent } from './request-event.ts'

/** How a request ended: done; instances missing; refused (4xx) or failed (5xx), by Google or the proxy; broken off. */
export type RequestOutcome = 'succeeded' | 'incomplete' | 'refused' | 'failed' | 'cut'

/** Requests so far, by service and outcome; those that no service could be told of are under `other`. */
export type RequestCounts = Partial<Record<DicomWebService | 'other', Record<RequestOutcome, number>>>

/** What is remembered of a failure: nothing that a client sent. */
export interface Failure
  extends Pick<
    RequestEvent,
    'requestId' | 'service' | 'route' | 'status' | 'code' | 'layer' | 'attempts' | 'cutBy' | 'googleMessage' | 'detail'
  > {
  /** When the request ended; ISO 8601. */
  readonly time: string
  readonly instancesStored: number | undefined
  readonly instancesFailed: number | undefined
}

export interface AccountHistory {
  readonly requests: RequestCounts
  /** The latest first. */
  readonly failures: readonly Failure[]
}

/** Failures remembered per account. */
const longest = 20

/** What has become of the requests to each account since the start. */
export class RequestHistory {
  #accounts: ReadonlyMap<string, { requests: RequestCounts; failures: Failure[] }> = new Map()

  /** @param accounts the names; what names no account is not remembered */
  constructor(accounts: readonly string[]) {
    this.keepOnly(accounts)
  }

  /** The accounts from now on. Those that were there before keep their history. */
  keepOnly(accounts: readonly string[]): void {
    const before = this.#accounts
    this.#accounts = new Map(accounts.map((name) => [name, before.get(name) ?? { requests: {}, failures: [] }]))
  }

  record(event: RequestEvent): void {
    const history = this.#accounts.get(event.account ?? '')
    if (!history) return
    const { requests, failures } = history
    const service = event.service ?? 'other'
    const counts = requests[service] ?? { succeeded: 0, incomplete: 0, refused: 0, failed: 0, cut: 0 }
    counts[outcomeOf(event)] += 1
    requests[service] = counts
    if (!event.failed) return
    failures.unshift(failureOf(event))
    failures.length = Math.min(failures.length, longest)
  }

  of(account: string): AccountHistory {
    return this.#accounts.get(account) ?? { requests: {}, failures: [] }
  }
}

export function outcomeOf(event: RequestEvent): RequestOutcome {
  if (event.cutBy) return 'cut'
  if (!event.failed) return 'succeeded'
  const { status, service, code } = event
  if (status !== null && status >= 500) return 'failed'
  // Google's 409 to an upload: some of its instances were not stored.
  const isIncomplete = status === null || status < 400 || (service === 'STOW-RS' && status === 409 && !code)
  return isIncomplete ? 'incomplete' : 'refused'
}

function failureOf(event: RequestEvent): Failure {
  const { requestId, service, route, status, code, layer, attempts, cutBy, googleMessage, instances, detail } = event
  return {
    time: new Date().toISOString(),
    requestId,
    service,
    route,
    status,
    code,
    layer,
    attempts,
    cutBy,
    googleMessage,
    detail,
    instancesStored: instances?.stored,
    instancesFailed: instances?.failed,
  }
}
