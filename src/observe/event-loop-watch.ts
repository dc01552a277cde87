import type { Log } from './logger.ts'
import { RecentRequests } from './recent-requests.ts'
import type { RequestEvent } from './request-event.ts'

type Handled = Pick<RequestEvent, 'service' | 'route'>

interface Options {
  readonly log: Log
  /** Requests that have come and not ended. */
  readonly inFlight: () => Iterable<Handled>
  /** Milliseconds of processor time that this thread has used so far. */
  readonly cpuTime: () => number
  /** The shortest standstill (ms) that is reported. */
  readonly thresholdMs?: number
  /** How long (ms) after a line others of its kind are collected for the next one. */
  readonly quietMs?: number
}

/** How often (ms) the event loop is expected to come by. */
const intervalMs = 100

interface Standstill {
  readonly standstillMs: number
  readonly cpuMs: number
  /** Times that each kind of request was in flight, or ended, around it: `QIDO-RS /studies`. */
  readonly requests: Readonly<Record<string, number>>
}

/**
 * Notices that the event loop stood still: nobody was served meanwhile, nor could a probe or a signal end it. The line in the
 * log says what ran, as templates and never a value, so that the cause can be found where it happened.
 *
 * Time is measured by a clock that stands still while the machine is suspended (Linux) and is never set. Where it goes on, or
 * the process alone was stopped, the processor time tells: who has used hardly any was not busy, and is no fault of ours.
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
      log.warn({ ...line, detail: busyDetail }, 'the proxy stood still: nothing was served meanwhile'),
    )
    this.#paused = new CollectedLines(quietMs, (line) =>
      log.info({ ...line, detail: pausedDetail }, 'the proxy did not run for a while'),
    )
    this.#lastCpu = cpuTime()
    this.#timer = setInterval(() => this.#check(), intervalMs).unref()
  }

  /** To be called once a request has ended: the one that is to blame is often over when the loop goes on. */
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

/** The first at once; of those that follow soon, the longest, and how many others there were. */
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

  /** Writes what is still to be said. */
  close(): void {
    if (this.#longest) this.#write({ ...this.#longest, ...(this.#others > 0 && { others: this.#others }) })
    this.#longest = null
    this.#others = 0
  }
}
