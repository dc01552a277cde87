import type { ProcessMetrics } from '../../observe/metrics/process-metrics.ts'
import type { RefusalLog } from '../../observe/refusal-log.ts'
import type { RequestEvent, RequestView } from '../../observe/request-event.ts'
import { UnderWay } from '../../observe/under-way.ts'
import type { Generations } from '../generations.ts'
import type { Report } from './messages.ts'
import type { Relays } from './relays.ts'
import { viewOf } from './request-view.ts'

/** Requests that may have ended before somebody is told without having asked. */
const mostUntold = 100

interface Parts {
  readonly refusals: Pick<RefusalLog, 'counts'>
  readonly relays: Pick<Relays, 'lost'>
  readonly processMetrics: Pick<ProcessMetrics, 'read'>
  /** Called when many have ended. */
  readonly onMany: () => void
}

/** Collects what has become of requests, for those who keep history and metrics elsewhere. */
export class Reports {
  readonly #parts: Parts
  readonly #underWay = new UnderWay<RequestEvent>()
  #ended: RequestView[] = []

  constructor(parts: Parts) {
    this.#parts = parts
  }

  began(event: RequestEvent): void {
    this.#underWay.add(event)
  }

  record(event: RequestEvent): void {
    this.#underWay.remove(event)
    this.#ended.push(viewOf(event))
    if (this.#ended.length === mostUntold) this.#parts.onMany()
  }

  /** What has happened since the last one, and how it is now. */
  async next(generations: Pick<Generations, 'current' | 'connectionCounts'>, ofProcess: boolean): Promise<Report> {
    const { refusals, relays, processMetrics } = this.#parts
    const process = ofProcess ? await processMetrics.read() : null
    const ended = this.#ended
    this.#ended = []
    return {
      accounts: generations.current.accounts.map(({ name, places, tokenState }) => ({
        name,
        token: tokenState(),
        places: Object.fromEntries(
          Object.entries(places).map(([service, { underWay, waiting, limit }]) => [
            service,
            { underWay, waiting, limit },
          ]),
        ),
      })),
      ended,
      underWay: [...this.#underWay].map(viewOf),
      refusals: refusals.counts,
      connections: generations.connectionCounts(),
      lost: relays.lost,
      process,
    }
  }
}
