import type { ErrorCode } from '../errors.ts'
import type { BatchFailures, RequestEvent } from '../observe/request-event.ts'

/** What became of an upload: `outage` says nothing against what was sent. */
type Outcome = 'stored' | 'outage' | 'other'

interface Upload {
  readonly startedAt: number
  readonly endedAt: number
  readonly outcome: Outcome
}

/** Google, the network to it, or the token was down, or could not keep up. */
const outageCodes: ReadonlySet<ErrorCode> = new Set([
  'token-unavailable',
  'token-renewed',
  'token-rejected',
  'upstream-unreachable',
  'upstream-tls',
  'upstream-reset',
  'upstream-timeout',
  'too-busy',
] as const)
/** Google's own, by https://cloud.google.com/healthcare-api/docs/best-practices-latency-error-handling. */
const outageStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
/** By which a batch fails: 401 is a token that Google rejected several times. */
const outageCauses: ReadonlySet<number | ErrorCode> = new Set([...outageCodes, ...outageStatuses, 401])
/** Of an account. What came before the oldest of them isn't known any more. */
const maxUploads = 2_000
/** Orthanc looks after a job's upload each second, and then says that the job has ended. */
const maxDelayMs = 3_000
/** Clocks and roundings. */
const toleranceMs = 1_000

/** A job's last run, by this machine's clock. */
export interface Run {
  readonly startedAt: number
  readonly endedAt: number
}

/**
 * How the last uploads of each account ended. Orthanc says of a failed job nothing that tells an
 * outage from a refusal: only the proxy knows, by what ended at the same moment.
 */
export class UploadOutcomes {
  readonly #uploads = new Map<string, Upload[]>()
  readonly #knownSince = new Map<string, number>()
  readonly #startedAt: number

  constructor(startedAt = Date.now()) {
    this.#startedAt = startedAt
  }

  record(event: RequestEvent, now = Date.now()): void {
    const { account, service, age } = event
    if (account === undefined || service !== 'STOW-RS') return
    const uploads = this.#uploads.get(account) ?? []
    this.#uploads.set(account, uploads)
    uploads.push({ startedAt: now - age, endedAt: now, outcome: outcomeOf(event) })
    if (uploads.length <= maxUploads) return
    const dropped = uploads.shift()
    if (dropped) this.#knownSince.set(account, dropped.endedAt)
  }

  /**
   * Why a job's run failed: a job is one upload, and ends within seconds after it. `outage` only if
   * no upload that ended then and may have been the job's failed for another reason; `unknown` if
   * none failed then, or the proxy wasn't there.
   */
  causeOf(account: string, { startedAt, endedAt }: Run): 'outage' | 'other' | 'unknown' {
    const knownSince = this.#knownSince.get(account) ?? this.#startedAt
    if (startedAt + toleranceMs < knownSince) return 'unknown'
    const possible = (this.#uploads.get(account) ?? []).filter(
      (upload) =>
        upload.outcome !== 'stored' &&
        upload.startedAt >= startedAt - toleranceMs &&
        upload.endedAt >= endedAt - maxDelayMs &&
        upload.endedAt <= endedAt + toleranceMs,
    )
    if (possible.length === 0) return 'unknown'
    return possible.every(({ outcome }) => outcome === 'outage') ? 'outage' : 'other'
  }
}

function outcomeOf({ failed, doubt, code, status, abortedBy, batchFailures, instances }: RequestEvent): Outcome {
  if (!failed && !doubt) return 'stored'
  // After the response began, or where the client left, nobody knows what the response said.
  if (abortedBy !== undefined) return 'other'
  // The response to an upload in batches names what an outage has cost as failures, too.
  if (batchFailures) return isOutage(batchFailures) ? 'outage' : 'other'
  if ((instances?.failed ?? 0) > 0) return 'other'
  if (code !== undefined) return outageCodes.has(code) ? 'outage' : 'other'
  return outageStatuses.has(status ?? 0) ? 'outage' : 'other'
}

function isOutage({ causes, refused }: BatchFailures): boolean {
  return refused === 0 && [...causes].every((cause) => outageCauses.has(cause))
}
