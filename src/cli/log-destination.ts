import { fstatSync, writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'
import { prettyDestination } from '../observe/pretty.ts'

const standardOutput = 1
/** Characters of lines that wait for the end of the turn at the most. */
const most = 8 * 1024

/** Where this program's log goes; undefined leaves it to the logger, which has a thread of Node's wait for whoever reads a pipe. */
export function logDestination(process: NodeJS.Process): DestinationStream | undefined {
  if (process.stdout.isTTY) return prettyDestination(process.stdout)
  if (!fstatSync(standardOutput).isFile()) return undefined
  const file = new LogFile(standardOutput)
  process.once('exit', () => file.flush())
  return file
}

/**
 * A file takes lines at once: those of one turn of the event loop are written together at its end. Waking a thread for them would cost a
 * small request 13 % more, and lose more lines when the program is killed.
 */
class LogFile implements DestinationStream {
  readonly #fd: number
  #lines = ''

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    if (this.#lines === '') setImmediate(() => this.flush())
    this.#lines += line
    if (this.#lines.length > most) this.flush()
  }

  flush(): void {
    const lines = this.#lines
    this.#lines = ''
    try {
      if (lines !== '') writeSync(this.#fd, lines)
    } catch {
      // A full disk: there is no other place to say so, and serving goes on.
    }
  }
}
