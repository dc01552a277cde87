import { type DestinationStream, type Logger, pino } from 'pino'
import { serializeError } from './serialize-error.ts'

export type { Logger } from 'pino'

export interface Log {
  info(line: object, message: string): void
  warn(line: object, message: string): void
}

interface LoggerOptions {
  /** Also logs each exchange with Google. */
  readonly verbose: boolean
  /** Standard output when absent. */
  readonly destination?: DestinationStream | undefined
}

/** One JSON line per event. Callers pass only harmless fields: the logger redacts nothing. */
export function createLogger({ verbose, destination }: LoggerOptions): Logger {
  const options = {
    level: levelOf({ verbose }),
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: serializeError },
    formatters: { level: (level: string) => ({ level }) },
  }
  return destination ? pino(options, destination) : pino(options)
}

export function levelOf({ verbose }: Pick<LoggerOptions, 'verbose'>): 'debug' | 'info' {
  return verbose ? 'debug' : 'info'
}
