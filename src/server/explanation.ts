import { type Diagnosis, inOneLine } from '../errors.ts'
import type { Outcome } from '../forward/exchange.ts'
import type { Permit } from '../guard/guard.ts'
import { adviseOnSearch } from '../guard/search-limits.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import { diagnoseGoogleRefusal, notAllStored } from '../stores/google-refusal.ts'
import { abortedResponse } from './aborted-response.ts'
import type { ServedAccount } from './account.ts'

/**
 * Notes how a request ended that Google has responded to or that a side has aborted: if not well,
 * where the problem is, and what to do.
 */
export function explain(event: RequestEvent, outcome: Outcome, permit: Permit<ServedAccount>): void {
  if (outcome.kind === 'buffered' || outcome.kind === 'failed') return
  event.status = outcome.status
  if (outcome.kind === 'aborted') event.abortedBy = outcome.by
  if (outcome.status !== null && outcome.status >= 400) {
    event.layer = 'upstream'
    event.detail = inOneLine(diagnosisOf(outcome.status, event, permit))
  } else if (event.abortedBy) {
    event.layer = event.abortedBy
    event.detail = inOneLine(abortedResponse[event.abortedBy])
  } else if (event.failed) {
    event.layer = 'upstream'
    event.detail = inOneLine(notAllStored)
  }
}

/** What a refusal of Google's means, by what was read of it as it passed. */
export function diagnosisOf(
  status: number,
  { googleReason: reason = '', googleProject: project = '' }: RequestEvent,
  permit: Permit<ServedAccount>,
): Diagnosis {
  const { account, service } = permit
  const search = status === 400 ? adviseOnSearch(permit) : null
  return diagnoseGoogleRefusal({ status, asked: service, reason, project, account, search, ...memberOf(account) })
}

/** As gcloud's `--member` wants it, where the credential says it. */
function memberOf({ credential }: ServedAccount): { member?: string } {
  const { identity } = credential.description
  return identity?.endsWith('.gserviceaccount.com') ? { member: `serviceAccount:${identity}` } : {}
}
