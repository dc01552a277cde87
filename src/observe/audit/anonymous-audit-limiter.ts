/** Rejections within a minute that have no record of their own. */
export interface AnonymousCounts {
  /** ISO 8601. */
  readonly since: string
  readonly count: number
  /** Counts by error code, or by the log message where there was no response. */
  readonly reasons: Readonly<Record<string, number>>
  /** Counts by peer address; only the first ones where there are many. */
  readonly addresses: Readonly<Record<string, number>>
}

/** Records per minute that unauthenticated clients may cause. */
const maxRecordsPerMinute = 60
/** Keeps the message below the size that every audit repository must accept. */
const maxAddresses = 50
const minuteMs = 60_000

/**
 * Limits the records that unauthenticated clients can cause: a fixed number per minute, then one
 * record with the counts. So they can neither fill the disk nor push out other records.
 */
export class AnonymousAuditLimiter {
  readonly #report: (counts: AnonymousCounts) => void
  #recorded = 0
  #count = 0
  #since = ''
  readonly #reasons = new Map<string, number>()
  readonly #addresses = new Map<string, number>()
  #minute: NodeJS.Timeout | null = null

  constructor(report: (counts: AnonymousCounts) => void) {
    this.#report = report
  }

  /** True if this rejection gets a record; otherwise it is only counted. */
  admit(address: string, reason: string): boolean {
    if (this.#minute === null) this.#begin()
    this.#recorded += 1
    if (this.#recorded <= maxRecordsPerMinute) return true
    this.#count += 1
    increase(this.#reasons, reason)
    if (this.#addresses.size < maxAddresses || this.#addresses.has(address)) increase(this.#addresses, address)
    return false
  }

  /** Reports the rejections that were only counted so far. */
  end(): void {
    if (this.#minute) clearTimeout(this.#minute)
    this.#minute = null
    this.#recorded = 0
    if (this.#count === 0) return
    const [reasons, addresses] = [Object.fromEntries(this.#reasons), Object.fromEntries(this.#addresses)]
    this.#report({ since: this.#since, count: this.#count, reasons, addresses })
    this.#count = 0
    this.#reasons.clear()
    this.#addresses.clear()
  }

  #begin(): void {
    this.#since = new Date().toISOString()
    this.#minute = setTimeout(() => this.end(), minuteMs).unref()
  }
}

function increase(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
