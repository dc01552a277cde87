import type { DicomWebService } from '../config/settings.ts'
import type { Outcome } from '../forward/exchange.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import { adviceFor, adviceForAborted, notAllStored } from './advice.ts'

/**
 * Takes down how a request ended that Google has answered or a side has cut off: if not well, whose
 * trouble it is, and what to do.
 */
export function explain(event: RequestEvent, outcome: Outcome, service: DicomWebService): void {
  if (outcome.kind === 'buffered' || outcome.kind === 'failed') return
  event.status = outcome.status
  if (outcome.kind === 'aborted') event.abortedBy = outcome.by
  if (outcome.status !== null && outcome.status >= 400) {
    event.layer = 'upstream'
    event.detail = adviceFor(outcome.status, service)
  } else if (event.abortedBy) {
    event.layer = event.abortedBy
    event.detail = adviceForAborted[event.abortedBy]
  } else if (event.failed) {
    event.layer = 'upstream'
    event.detail = notAllStored
  }
}
