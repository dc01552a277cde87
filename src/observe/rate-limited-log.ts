import type { Log } from './logger.ts'

const minuteMs = 60_000

interface Line {
  /** The error code, if there was a response. */
  readonly code?: string | undefined
}

/**
 * Logs rejections of unauthenticated clients: a fixed number of lines per minute, then one line
 * with the number of suppressed ones. So nobody can fill the disk or hide among the lines. All
 * rejections are counted.
 */
export class RateLimitedLog implements Log {
  readonly #log: Log
  /** Maximum lines per minute. */
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

  /** Rejections since the start by error code, or by log message where there was no response. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  /** Writes what is still pending. */
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
    const suppressed = this.#suppressed
    this.#minute = null
    this.#written = 0
    this.#suppressed = 0
    if (suppressed === 0) return
    const message = `log limit reached: ${suppressed} further rejections not logged in the last minute (Limits.RejectedLogRate)`
    this.#log.warn({ suppressed }, message)
  }
}
