import { CommandFailure, exitCode } from '../exit-code.ts'

/** From when on, in the words of either side. */
export interface Since {
  /** In UTC, as Orthanc's LastUpdate: `20261128T032943`. */
  readonly lastUpdate: string
  /** The day, here: `20261128`. */
  readonly studyDate: string
  /** As it was given. */
  readonly text: string
}

/** Null if nothing was given. Times are those of this machine. */
export function sinceOf(text: string | undefined, now = new Date()): Since | null {
  if (text === undefined) return null
  const { date = '', time = '00:00' } = /^(?<date>\d{4}-\d\d-\d\d)(?:T(?<time>\d\d:\d\d))?$/.exec(text)?.groups ?? {}
  const from = new Date(`${date}T${time}`)
  // A 31 April would become the first of May.
  const isDate = Number(date.slice(8)) === from.getDate()
  if (!isDate) fail('takes a date, or a date and time, of this machine: 2026-11-28 or 2026-11-28T14:30.')
  if (from > now) fail('is in the future.')
  return { lastUpdate: from.toISOString().replace(/[-:]|\.\d+Z$/g, ''), studyDate: date.replaceAll('-', ''), text }
}

function fail(words: string): never {
  throw new CommandFailure(`--since ${words}`, exitCode.usage)
}
