import type { LineLog } from './logger.ts'

const minute = 60_000

/**
 * A log for lines that strangers cause: so many a minute, and then one that says how many there were besides. So nobody
 * can fill the disk, or hide among lines what they do.
 */
export class LimitedLog implements LineLog {
  readonly #log: LineLog
  readonly #perMinute: number
  #written = 0
  #left = 0
  #minute: NodeJS.Timeout | null = null

  constructor(log: LineLog, perMinute: number) {
    this.#log = log
    this.#perMinute = perMinute
  }

  info(line: object, message: string): void {
    if (this.#mayWrite()) this.#log.info(line, message)
  }

  warn(line: object, message: string): void {
    if (this.#mayWrite()) this.#log.warn(line, message)
  }

  /** Writes what is still to be said. */
  close(): void {
    if (this.#minute) clearTimeout(this.#minute)
    this.#begin()
  }

  #mayWrite(): boolean {
    this.#minute ??= setTimeout(() => this.#begin(), minute).unref()
    if (this.#written < this.#perMinute) {
      this.#written += 1
      return true
    }
    this.#left += 1
    return false
  }

  #begin(): void {
    const left = this.#left
    this.#minute = null
    this.#written = 0
    this.#left = 0
    if (left > 0) this.#log.warn({ left }, 'more was refused within a minute than is logged; see Limits.LogLines')
  }
}
