import type { Log } from './logger.ts'

const minuteMs = 60_000

interface Line {
  /** Of the answer, if there was one. */
  readonly code?: string | undefined
}

/**
 * The log of what strangers are refused: so many lines a minute, and then one that says how many there were besides. So
 * nobody can fill the disk, or hide among lines what they do. All are counted.
 */
export class RateLimitedLog implements Log {
  readonly #log: Log
  /** Lines that are written. */
  perMinute: number
  readonly #counts = new Map<string, number>()
  #written = 0
  #suppressed = 0
  #minute: NodeJS.Timeout | null = null

  constructor(log: Log, perMinute: number) {
    this.#log = log
    this.perMinute = perMinute
  }

  info(line: Line, message: string): void {
    if (this.#mayWrite(line, message)) this.#log.info(line, message)
  }

  warn(line: Line, message: string): void {
    if (this.#mayWrite(line, message)) this.#log.warn(line, message)
  }

  /** Refusals since the start: by the code of their answer, or by what is said in the log where there was none. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  /** Writes what is still to be said. */
  close(): void {
    if (this.#minute) clearTimeout(this.#minute)
    this.#begin()
  }

  #mayWrite({ code }: Line, message: string): boolean {
    const kind = code ?? message
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
    this.#minute ??= setTimeout(() => this.#begin(), minuteMs).unref()
    if (this.#written < this.perMinute) {
      this.#written += 1
      return true
    }
    this.#suppressed += 1
    return false
  }

  #begin(): void {
    const left = this.#suppressed
    this.#minute = null
    this.#written = 0
    this.#suppressed = 0
    if (left > 0) this.#log.warn({ left }, 'more was refused within a minute than is logged; see Limits.LogLines')
  }
}
