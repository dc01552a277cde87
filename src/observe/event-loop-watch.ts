import type { Log } from './logger.ts'
import { RecentRequests } from './recent-requests.ts'
import type { RequestEvent } from './request-event.ts'

type Handled = Pick<RequestEvent, 'service' | 'route'>

interface Options {
  readonly log: Log
  /** Requests in flight. */
  readonly inFlight: () => Iterable<Handled>
  /** CPU time of this thread so far, in milliseconds. */
  readonly cpuTime: () => number
  /** The shortest standstill to report. */
  readonly thresholdMs?: number
  /** After a log line, how long further standstills are collected for the next one. */
  readonly quietMs?: number
}

/** How often the event loop is checked. */
const intervalMs = 100

interface Standstill {
  readonly standstillMs: number
  readonly cpuMs: number
  /**
   * How many requests of each kind were in flight or ended around that time: `QIDO-RS /studies`.
   */
  readonly requests: Readonly<Record<string, number>>
}

/**
 * Notices that the event loop was blocked: no request, probe or signal was handled meanwhile. The
 * log line names the requests by route template, never by value, so that the cause can be
 * found.\n\nThe clock stops while the machine is suspended (Linux) and is never set. Where it runs
 * on, or only the process was stopped, the CPU time tells the difference: a process that used
 * hardly any was not busy.
 */
export class EventLoopWatch {
  readonly #options: Options
  readonly #recent = new RecentRequests()
  readonly #thresholdMs: number
  readonly #busy: CollectedLines
  readonly #paused: CollectedLines
  readonly #timer: NodeJS.Timeout
  #lastAt = performance.now()
  #lastCpu: number

  constructor(options: Options) {
    const { log, cpuTime, thresholdMs = 500, quietMs = 60_000 } = options
    this.#options = options
    this.#thresholdMs = thresholdMs
    this.#busy = new CollectedLines(quietMs, (line) =>
      log.warn({ ...line, detail: busyDetail }, 'event loop blocked; no requests were served'),
    )
    this.#paused = new CollectedLines(quietMs, (line) =>
      log.info({ ...line, detail: pausedDetail }, 'the process was suspended or starved'),
    )
    this.#lastCpu = cpuTime()
    this.#timer = setInterval(() => this.#check(), intervalMs).unref()
  }

  /**
   * Call this once a request has ended. The request to blame has often ended when the loop
   * continues.
   */
  ended(event: Handled): void {
    this.#recent.ended(event)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#busy.close()
    this.#paused.close()
  }

  #check(): void {
    const { cpuTime, inFlight } = this.#options
    const now = performance.now()
    const cpu = cpuTime()
    const standstillMs = Math.round(now - this.#lastAt - intervalMs)
    const cpuMs = Math.round(cpu - this.#lastCpu)
    this.#lastAt = now
    this.#lastCpu = cpu
    if (standstillMs >= this.#thresholdMs) {
      const requests = countsOf([...this.#recent.take(), ...inFlight()])
      const lines = cpuMs >= this.#thresholdMs / 2 ? this.#busy : this.#paused
      lines.add({ standstillMs, cpuMs, requests }, now)
    } else this.#recent.forget()
    this.#busy.writeIfDue(now)
    this.#paused.writeIfDue(now)
  }
}

const busyDetail =
  'One piece of work held up all others. Please report it with this line: requests counts what was in flight or had just ended.'
const pausedDetail =
  'Its machine or container was suspended, paused or overloaded. If nobody meant that, give it more processor time.'

function countsOf(requests: Iterable<Handled>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { service = 'other', route = '' } of requests) {
    const kind = `${service} ${route}`.trim()
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/**
 * Writes the first standstill at once. For those that follow soon, it writes the longest and the
 * number of others.
 */
class CollectedLines {
  readonly #quietMs: number
  readonly #write: (line: Standstill & { others?: number }) => void
  #quietUntil = Number.NEGATIVE_INFINITY
  #longest: Standstill | null = null
  #others = 0

  constructor(quietMs: number, write: (line: Standstill & { others?: number }) => void) {
    this.#quietMs = quietMs
    this.#write = write
  }

  add(standstill: Standstill, now: number): void {
    if (this.#longest) this.#others += 1
    if (standstill.standstillMs > (this.#longest?.standstillMs ?? 0)) this.#longest = standstill
    this.writeIfDue(now)
  }

  writeIfDue(now: number): void {
    if (!this.#longest || now < this.#quietUntil) return
    this.#quietUntil = now + this.#quietMs
    this.close()
  }

  /** Writes what is still pending. */
  close(): void {
    if (this.#longest) this.#write({ ...this.#longest, ...(this.#others > 0 && { others: this.#others }) })
    this.#longest = null
    this.#others = 0
  }
}
