import type { DicomWebService } from '../config/settings.ts'
import { inOneLine } from '../errors.ts'
import type { Outcome } from '../forward/exchange.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import { diagnoseGoogleRefusal, notAllStored } from '../stores/google-refusal.ts'
import { abortedResponse } from './aborted-response.ts'

/**
 * Notes how a request ended that Google has responded to or that a side has aborted: if not well,
 * where the problem is, and what to do.
 */
export function explain(event: RequestEvent, outcome: Outcome, service: DicomWebService): void {
  if (outcome.kind === 'buffered' || outcome.kind === 'failed') return
  event.status = outcome.status
  if (outcome.kind === 'aborted') event.abortedBy = outcome.by
  if (outcome.status !== null && outcome.status >= 400) {
    event.layer = 'upstream'
    event.detail = inOneLine(diagnoseGoogleRefusal({ status: outcome.status, requested: service }))
  } else if (event.abortedBy) {
    event.layer = event.abortedBy
    event.detail = inOneLine(abortedResponse[event.abortedBy])
  } else if (event.failed) {
    event.layer = 'upstream'
    event.detail = inOneLine(notAllStored)
  }
}
