import { type DestinationStream, type Logger, pino } from 'pino'
import { harmlessError } from './harmless-error.ts'

export type { Logger } from 'pino'

/** As much of a logger as one needs to write a line. */
export interface LineLog {
  info(line: object, message: string): void
  warn(line: object, message: string): void
}

interface LoggerOptions {
  /** More than what happens: each upstream exchange, too. */
  readonly verbose: boolean
  /** Standard output when absent. */
  readonly destination?: DestinationStream | undefined
  /** The number of the worker process, which its lines then name; absent where there are none. */
  readonly worker?: number
}

/** One JSON line per event. Only named, harmless fields are ever given to it: it redacts nothing. */
export function createLogger({ verbose, destination, worker }: LoggerOptions): Logger {
  const options = {
    level: levelOf({ verbose }),
    base: worker === undefined ? null : { worker },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: harmlessError },
    formatters: { level: (level: string) => ({ level }) },
  }
  return destination ? pino(options, destination) : pino(options)
}

/** Where a logger's lines go: for lines that another process has made ready. */
export function destinationOf(logger: Logger): DestinationStream {
  return (logger as unknown as Record<symbol, DestinationStream>)[pino.symbols.streamSym] as DestinationStream
}

export function levelOf({ verbose }: Pick<LoggerOptions, 'verbose'>): 'debug' | 'info' {
  return verbose ? 'debug' : 'info'
}
