/** What was refused within a minute without a record of its own. */
export interface AnonymousCounts {
  /** ISO 8601. */
  readonly since: string
  readonly count: number
  /** How many by the code of the answer, or by what was refused. */
  readonly reasons: Readonly<Record<string, number>>
  /** How many by the peer's address; not all where they are many. */
  readonly addresses: Readonly<Record<string, number>>
}

/** Records that strangers may cause in a minute. */
const maxRecordsPerMinute = 60
/** As many are named of one minute; a message with these is no longer than what a repository must take. */
const maxAddresses = 50
const minuteMs = 60_000

/**
 * Limits what those who are no clients can make the trail hold: so many records a minute, and then one that counts. So nobody
 * fills the disk, or pushes the records of others out.
 */
export class AnonymousAuditLimiter {
  readonly #report: (counts: AnonymousCounts) => void
  #recorded = 0
  #count = 0
  #since = ''
  readonly #reasons = new Map<string, number>()
  readonly #addresses = new Map<string, number>()
  #minute: NodeJS.Timeout | null = null

  constructor(tell: (counts: AnonymousCounts) => void) {
    this.#report = tell
  }

  /** Whether this one gets a record; it is counted otherwise. */
  admit(address: string, reason: string): boolean {
    if (this.#minute === null) this.#begin()
    this.#recorded += 1
    if (this.#recorded <= maxRecordsPerMinute) return true
    this.#count += 1
    increase(this.#reasons, reason)
    if (this.#addresses.size < maxAddresses || this.#addresses.has(address)) increase(this.#addresses, address)
    return false
  }

  /** Tells what was only counted so far. */
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
