/** One HTTP exchange of Orthanc's own client, as its log tells it. */
export interface LoggedExchange {
  /** When it ended: text that sorts as time does. */
  readonly ended: string
  readonly url: string
  readonly status: number
  readonly milliseconds: number
}

const beginning = /^I(\d{4} [\d:.]+) .*\(http\) New HTTP request to: (\S+)/
const end = /^I(\d{4} [\d:.]+) .*\(http\) HTTP status code (\d+) in \d+ ms after \w+ request on: (\S+)/

/**
 * All exchanges of a log at the level "verbose" of the category "http", one after the other. By the
 * stamps of its lines, which are exact to the microsecond: the times of jobs are not, as the
 * DICOMweb plugin looks at them every 500 ms.
 */
export function exchangesIn(log: string): readonly LoggedExchange[] {
  const exchanges: LoggedExchange[] = []
  let began: string | undefined
  for (const line of log.split('\n')) {
    began = beginning.exec(line)?.[1] ?? began
    const [, ended, status, url] = end.exec(line) ?? []
    if (!ended || !url || !began) continue
    const milliseconds = instant(ended) - instant(began)
    exchanges.push({ ended, url, status: Number(status), milliseconds })
    began = undefined
  }
  return exchanges
}

/** Milliseconds; `1125 03:39:16.495751` is a month and a day, and the time of that day. */
function instant(stamp: string): number {
  const [, month, day, time] = /^(\d\d)(\d\d) (\S+)$/.exec(stamp) ?? []
  const [hours = 0, minutes = 0, seconds = 0] = (time ?? '').split(':').map(Number)
  const midnight = Date.UTC(2000, Number(month) - 1, Number(day))
  return midnight + ((hours * 60 + minutes) * 60 + seconds) * 1000
}
