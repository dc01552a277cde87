import type { ErrorCode } from '../errors.ts'
import type { BatchFailures, RequestEvent } from '../observe/request-event.ts'

/** How an upload failed: `outage` says nothing against what was sent. */
type Failure = 'outage' | 'other'

export interface FailedUpload {
  readonly account: string
  readonly startedAt: number
  readonly endedAt: number
  readonly failure: Failure
}

/** What a process leaves to the next one. */
export interface UploadHistory {
  /** From then on, every upload that failed is in it. */
  readonly since: number
  /** The same for accounts of which less is known. */
  readonly accounts: Readonly<Record<string, number>>
  readonly failed: readonly FailedUpload[]
}

/** Google, the network to it, or the token was down, or could not keep up; or the proxy ended. */
const outageCodes: ReadonlySet<ErrorCode> = new Set([
  'token-unavailable',
  'token-renewed',
  'token-rejected',
  'upstream-unreachable',
  'upstream-tls',
  'upstream-reset',
  'upstream-timeout',
  'too-busy',
  'shutting-down',
] as const)
/** Google's own, by https://cloud.google.com/healthcare-api/docs/best-practices-latency-error-handling. */
const outageStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
/** By which a batch fails: 401 is a token that Google rejected several times. */
const outageCauses: ReadonlySet<number | ErrorCode> = new Set([...outageCodes, ...outageStatuses, 401])
/** Of an account. What came before the oldest of them isn't known any more. */
const maxUploads = 2_000
/** Orthanc looks after a job's upload each second, and then says that the job has ended. */
const maxDelayMs = 3_000
/** The same of a busy Orthanc: a refusal must not be overlooked beside an outage. */
const maxRefusalDelayMs = 10_000
/** Clocks and roundings. */
const toleranceMs = 1_000

/** A job's last run, by this machine's clock. */
export interface Run {
  readonly startedAt: number
  readonly endedAt: number
  /** How much earlier (ms) it may have been: that long Orthanc took to say so. */
  readonly uncertainty: number
}

/**
 * How the last uploads of each account ended. Orthanc says of a failed job nothing that tells an
 * outage from a refusal: only the proxy knows, by what ended at the same moment.
 */
export class UploadOutcomes {
  readonly #failed = new Map<string, FailedUpload[]>()
  readonly #accounts = new Map<string, number>()
  #since: number

  constructor(startedAt = Date.now()) {
    this.#since = startedAt
  }

  /** Null if it isn't an upload that failed. */
  record(event: RequestEvent, now = Date.now()): FailedUpload | null {
    const { account, service, age } = event
    const failure = failureOf(event)
    if (account === undefined || service !== 'STOW-RS' || failure === null) return null
    const upload = { account, startedAt: now - age, endedAt: now, failure }
    this.add(upload)
    return upload
  }

  /** Of another process, too. */
  add(upload: FailedUpload): void {
    const { account } = upload
    const failed = this.#failed.get(account) ?? []
    this.#failed.set(account, failed)
    failed.push(upload)
    const dropped = failed.length > maxUploads ? failed.shift() : undefined
    if (dropped) this.forget(account, dropped.endedAt)
  }

  /** Nothing is known of the account's uploads that began earlier: they may have gone elsewhere. */
  forget(account: string, until: number): void {
    this.#accounts.set(account, Math.max(this.#accounts.get(account) ?? 0, until + toleranceMs))
  }

  /** Another process has carried uploads until now, and nobody knows how they ended. */
  forgetAll(until: number): void {
    this.#since = Math.max(this.#since, until + toleranceMs)
  }

  history(): UploadHistory {
    const failed = [...this.#failed.values()].flat()
    return { since: this.#since, accounts: Object.fromEntries(this.#accounts), failed }
  }

  /** That of a process which has ended in order. */
  restore({ since, accounts, failed }: UploadHistory): void {
    this.#since = since
    for (const [account, until] of Object.entries(accounts)) this.forget(account, until - toleranceMs)
    const own = [...this.#failed.values()].flat()
    this.#failed.clear()
    for (const upload of [...failed, ...own]) this.add(upload)
  }

  /**
   * Why a job's run failed: a job is one upload, and ends within seconds after it. `outage` only if
   * no upload that ended then and may have been the job's failed for another reason; `unknown` if
   * none failed then, or the proxy wasn't there.
   */
  causeOf(account: string, { startedAt, endedAt, uncertainty }: Run): 'outage' | 'other' | 'unknown' {
    const earliest = startedAt - uncertainty
    if (!(earliest >= Math.max(this.#since, this.#accounts.get(account) ?? 0))) return 'unknown'
    const possible = (this.#failed.get(account) ?? []).filter(
      (upload) => upload.startedAt >= earliest - toleranceMs && upload.endedAt <= endedAt + toleranceMs,
    )
    const endedWithin = (delayMs: number) => (upload: FailedUpload) => upload.endedAt >= endedAt - uncertainty - delayMs
    const near = possible.filter(endedWithin(maxRefusalDelayMs))
    if (near.some(({ failure }) => failure === 'other')) return 'other'
    return near.some(endedWithin(maxDelayMs)) ? 'outage' : 'unknown'
  }
}

function failureOf(event: RequestEvent): Failure | null {
  const { failed, doubt, code, status, abortedBy, batchFailures, instances } = event
  if (!failed && !doubt) return null
  // The response to an upload in batches names what an outage has cost as failures, too.
  const isRefused = batchFailures ? !isOutage(batchFailures) : (instances?.failed ?? 0) > 0
  if (isRefused) return 'other'
  // After the response began, or where the client left, nobody knows what the response said.
  if (abortedBy === 'proxy' && status === null) return code === undefined || outageCodes.has(code) ? 'outage' : 'other'
  if (abortedBy !== undefined) return 'other'
  if (batchFailures) return 'outage'
  if (code !== undefined) return outageCodes.has(code) ? 'outage' : 'other'
  return outageStatuses.has(status ?? 0) ? 'outage' : 'other'
}

function isOutage({ causes, refused }: BatchFailures): boolean {
  return refused === 0 && [...causes].every((cause) => outageCauses.has(cause))
}
