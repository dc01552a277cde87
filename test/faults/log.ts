import { Writable } from 'node:stream'
import { createLogger, type Logger } from '../../src/observe/logger.ts'

/** A line of the proxy's log. */
export type Line = Readonly<Record<string, unknown>>

/** Says everything, and adds each line to these. */
export function loggerInto(lines: Line[]): Logger {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      for (const line of String(chunk).trim().split('\n')) lines.push(JSON.parse(line))
      done()
    },
  })
  return createLogger({ verbose: true, destination })
}
