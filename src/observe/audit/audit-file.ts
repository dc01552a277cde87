import { closeSync, constants, fstatSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import type { AuditRecord } from './audit-record.ts'
import { type AuditSink, lowPriorityShare, type SinkReports } from './audit-sink.ts'
import { BoundedQueue } from './bounded-queue.ts'

/** Records queued while writing fails. */
const maxQueuedBytes = 16 * 1024 * 1024
/** How often to check whether the file was renamed or removed. */
const pollIntervalMs = 1_000
/** EAGAIN: the reader of a pipe is only slow. */
const retryDelayMs = (error: NodeJS.ErrnoException) => (error.code === 'EAGAIN' ? 20 : 1_000)

const standardOutput = 1

/**
 * Appends JSON lines to a file. Each is written synchronously (about 10 µs), so nothing is lost
 * when the process is killed. If the file was renamed or removed, a new one is opened under its
 * name.
 */
export class AuditFile implements AuditSink {
  readonly #path: string | null
  readonly #reports: SinkReports
  readonly #queue = new BoundedQueue(maxQueuedBytes)
  /** Null once closed: the operating system may reuse the number. */
  #fd: number | null
  /** The file ends in a truncated line. */
  #endsWithinLine: boolean
  #polledAt = performance.now()
  #retryTimer: NodeJS.Timeout | null = null

  /**
   * Throws the error of `open` if the file can't be opened.
   *
   * @param path null for standard output
   */
  constructor(path: string | null, reports: SinkReports) {
    this.#path = path
    this.#reports = reports
    this.#fd = path === null ? standardOutput : open(path)
    this.#endsWithinLine = path !== null && endsWithinLine(this.#fd, path)
  }

  get available(): boolean {
    return this.#retryTimer === null
  }

  write(record: AuditRecord, isLowPriority = false): void {
    const line = Buffer.from(`${JSON.stringify(record)}\n`)
    if (this.#fd === null || !this.#queue.add(line, isLowPriority ? lowPriorityShare : 1)) this.#reports.lost(1)
    if (this.available) this.#flush()
  }

  async close(): Promise<void> {
    const fd = this.#fd
    if (fd === null) return
    this.#flush()
    if (this.#retryTimer) clearTimeout(this.#retryTimer)
    this.#fd = null
    if (this.#queue.size > 0) this.#reports.lost(this.#queue.size)
    this.#reports.closed()
    if (this.#path !== null) closeSync(fd)
  }

  #flush(): void {
    if (this.#fd === null) return
    if (this.#retryTimer) clearTimeout(this.#retryTimer)
    try {
      this.#writeQueued(this.#reopenIfReplaced(this.#fd))
      if (this.#retryTimer) this.#reports.recovered()
      this.#retryTimer = null
    } catch (error) {
      if (!this.#retryTimer) this.#reports.failing(error as Error)
      this.#retryTimer = setTimeout(() => this.#flush(), retryDelayMs(error as NodeJS.ErrnoException)).unref()
    }
  }

  #writeQueued(fd: number): void {
    if (this.#endsWithinLine && this.#queue.size > 0) {
      writeSync(fd, '\n')
      this.#endsWithinLine = false
    }
    for (let line = this.#queue.first; line; line = this.#queue.first) this.#queue.done(writeSync(fd, line))
  }

  /** Reopens the file if it was renamed or removed. */
  #reopenIfReplaced(fd: number): number {
    if (this.#path === null || performance.now() - this.#polledAt < pollIntervalMs) return fd
    this.#polledAt = performance.now()
    const named = statSync(this.#path, { throwIfNoEntry: false })
    const opened = fstatSync(fd)
    if (named?.ino === opened.ino && named.dev === opened.dev) return fd
    const next = open(this.#path)
    this.#fd = next
    closeSync(fd)
    this.#endsWithinLine = endsWithinLine(next, this.#path)
    this.#queue.restart()
    return next
  }
}

/**
 * True after a kill or a full disk. If it can't be read, an empty line does less harm than two
 * records in one line.
 */
function endsWithinLine(fd: number, path: string): boolean {
  const stat = fstatSync(fd)
  if (!stat.isFile() || stat.size === 0) return false
  const last = Buffer.alloc(1)
  try {
    const reading = openSync(path, 'r')
    readSync(reading, last, 0, 1, stat.size - 1)
    closeSync(reading)
  } catch {
    return true
  }
  return last.toString() !== '\n'
}

const { O_APPEND, O_CREAT, O_WRONLY } = constants
/**
 * Without O_NONBLOCK, opening a pipe without a reader would block the process. Windows lacks the
 * flag.
 */
const flags = O_APPEND | O_CREAT | O_WRONLY | (constants.O_NONBLOCK ?? 0)

/** Readable only by the proxy's user, because it shows who accessed which study. */
function open(path: string): number {
  return openSync(path, flags, 0o600)
}
