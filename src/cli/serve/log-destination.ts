import { writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'
import { prettyDestination } from '../../observe/pretty.ts'

const standardOutput = 1
/** Bytes: PIPE_BUF of Linux; others have at least 512. */
const maxAtomicWrite = 4096
const newline = '\n'.charCodeAt(0)
/** Characters of lines that wait for the end of the turn at the most. */
const maxLinesPerTurn = 8 * 1024
/** Bytes that wait for whoever reads a pipe at the most; what comes then is lost, and counted. */
const maxQueuedLines = 4 * 1024 * 1024
/** How often (ms) it is tried again while a pipe is full. */
const retryIntervalMs = 20
/** How long (ms) the end of the program waits for whoever reads a pipe. */
const lastFlushMs = 500

/** Where this program's log goes. */
export function logDestination(process: NodeJS.Process): DestinationStream {
  // Asking for the stream also keeps writing to a pipe from waiting until somebody reads it.
  if (process.stdout.isTTY) return prettyDestination(process.stdout)
  const output = new LogOutput(standardOutput)
  process.once('exit', () => output.end())
  return output
}

/**
 * As many whole lines as a pipe takes without mixing them with those of another process that writes
 * to it: during a restart there are two.
 */
export function firstLines(lines: Buffer): Buffer {
  if (lines.length <= maxAtomicWrite) return lines
  const end = lines.lastIndexOf(newline, maxAtomicWrite - 1)
  return lines.subarray(0, (end < 0 ? lines.indexOf(newline) : end) + 1 || lines.length)
}

/**
 * To be called when another process with the same standard output has ended: Node leaves a pipe as
 * it found it, and so in a state in which writing waits until somebody reads.
 */
export function keepOutputFromWaiting(process: NodeJS.Process): void {
  const { _handle: handle } = process.stdout as typeof process.stdout & {
    readonly _handle?: { readonly setBlocking?: (blocks: boolean) => unknown } | null
  }
  if (!process.stdout.isTTY) handle?.setBlocking?.(false)
}

/**
 * Lines of one turn of the event loop are written together at its end. Waking a thread for them
 * would cost a small request 13 % more, lose more lines when the program is killed, and keep the
 * program from ending while nobody reads a pipe.
 */
class LogOutput implements DestinationStream {
  readonly #fd: number
  #lines = ''
  /** What a full pipe has not taken yet: it may begin within a line. */
  #waiting = Buffer.alloc(0)
  #lost = 0
  #retry: NodeJS.Timeout | null = null

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    if (this.#waiting.length + this.#lines.length > maxQueuedLines) {
      this.#lost += 1
      return
    }
    if (this.#lines === '' && this.#retry === null) setImmediate(() => this.#flush())
    // Where they are missing.
    this.#lines += this.#takeLost() + line
    if (this.#lines.length > maxLinesPerTurn && this.#retry === null) this.#flush()
  }

  /** Nothing runs after it: what is left is written, if that can be done soon. */
  end(): void {
    const deadline = performance.now() + lastFlushMs
    const pause = new Int32Array(new SharedArrayBuffer(4))
    if (this.#retry) clearTimeout(this.#retry)
    while (!this.#write() && performance.now() < deadline) Atomics.wait(pause, 0, 0, retryIntervalMs)
  }

  #flush(): void {
    this.#retry = null
    if (this.#write()) return
    this.#retry = setTimeout(() => this.#flush(), retryIntervalMs).unref()
  }

  /** Whether nothing is left to be written. */
  #write(): boolean {
    this.#take()
    try {
      while (this.#waiting.length > 0)
        this.#waiting = this.#waiting.subarray(writeSync(this.#fd, firstLines(this.#waiting)))
      if (this.#lost === 0) return true
      this.#lines = this.#takeLost()
      return this.#write()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false
      // A full disk, or nobody there any more: there is no other place to say so, and serving goes
      // on.
      this.#waiting = Buffer.alloc(0)
      this.#lost = 0
      return true
    }
  }

  /** A line that says how many are lost; empty if none are. */
  #takeLost(): string {
    if (this.#lost === 0) return ''
    const time = new Date().toISOString()
    const line = { level: 'warn', time, lost: this.#lost, msg: 'log lines lost: standard output was not read in time' }
    this.#lost = 0
    return `${JSON.stringify(line)}\n`
  }

  #take(): void {
    if (this.#lines === '') return
    const lines = Buffer.from(this.#lines)
    this.#lines = ''
    this.#waiting = this.#waiting.length === 0 ? lines : Buffer.concat([this.#waiting, lines])
  }
}
