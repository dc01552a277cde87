import type { DicomWebService } from '../config/settings.ts'
import type { Outcome } from '../forward/exchange.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import { adviceFor, adviceForCut, notAllStored } from './advice.ts'

/** Takes down how a request ended that Google has answered or a side has cut off: if not well, whose trouble it is, and what to do. */
export function explain(event: RequestEvent, outcome: Outcome, service: DicomWebService): void {
  if (outcome.kind === 'held' || outcome.kind === 'failed') return
  event.status = outcome.status
  if (outcome.kind === 'cut') event.cutBy = outcome.by
  if (outcome.status !== null && outcome.status >= 400) {
    event.layer = 'upstream'
    event.detail = adviceFor(outcome.status, service)
  } else if (event.cutBy) {
    event.layer = event.cutBy
    event.detail = adviceForCut[event.cutBy]
  } else if (event.failed) {
    event.layer = 'upstream'
    event.detail = notAllStored
  }
}
