import { type Diagnosis, type Explanation, inOneLine } from '../errors.ts'
import type { Outcome } from '../forward/exchange.ts'
import type { Permit } from '../guard/guard.ts'
import { adviseOnSearch } from '../guard/search-limits.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import { diagnoseGoogleRefusal, notAllStored, searchingFirst } from '../stores/google-refusal.ts'
import type { ServedAccount } from './account.ts'
import { doubtAboutUpload } from './doubtful-success.ts'

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
    const explanation = abortedResponse[event.abortedBy]
    const isUploadCut = permit.service === 'STOW-RS' && event.abortedBy === 'upstream'
    event.detail = inOneLine(isUploadCut ? searchingFirst(explanation) : explanation)
  } else if (event.failed) {
    event.layer = 'upstream'
    event.detail = inOneLine(notAllStored)
  } else {
    event.doubt = doubtAbout(event, permit)
    if (event.doubt) event.detail = inOneLine(event.doubt)
  }
}

/** Why what looks like a success may be none; null without doubt. */
function doubtAbout(event: RequestEvent, permit: Permit<ServedAccount>): Explanation | null {
  const { status, instances, doubt = null } = event
  if (status !== null && status >= 300 && status !== 304) return diagnosisOf(status, event, permit)
  if (permit.service === 'STOW-RS') return doubtAboutUpload(doubt, !!instances && instances.stored > 0)
  const search = status === 204 ? adviseOnSearch(permit) : null
  if (!search || search.problems.length === 0) return doubt
  const problem = `Nothing was found, but Google does not support this search: ${search.problems.join('; ')}.`
  return { problem, remedy: search.remedy }
}

/** What a refusal of Google's means, by what was read of it as it passed. */
export function diagnosisOf(
  status: number,
  { googleReason: reason = '', googleProject: project = '', quotaProject }: RequestEvent,
  permit: Permit<ServedAccount>,
): Diagnosis {
  const { account, service } = permit
  const { project: owner, location, dataset, dicomStore } = account
  const names = { project: owner, location, dataset, dicomStore, quotaProject: quotaProject ?? account.quotaProject }
  const search = status === 400 ? adviseOnSearch(permit) : null
  return diagnoseGoogleRefusal({
    status,
    requested: service,
    reason,
    project,
    account: names,
    search,
    ...memberOf(account),
  })
}

/** As gcloud's `--member` wants it, where the credential says it. */
function memberOf({ credential }: ServedAccount): { member?: string } {
  const { identity } = credential.description
  return identity?.endsWith('.gserviceaccount.com') ? { member: `serviceAccount:${identity}` } : {}
}

/** Why a response ended before its end, by who ended it, and what to do. */
export const abortedResponse: Readonly<Record<'client' | 'upstream' | 'proxy', Explanation>> = {
  client: {
    problem:
      'The client closed the connection before the end of the response, or read it more slowly than DicomWebProxy.Timeouts allows (Idle, MinBodyRate).',
    remedy:
      "Unless a person cancelled, check the network between the client and this proxy, and raise the client's timeout (Timeout and HttpTimeout in Orthanc).",
  },
  upstream: {
    problem:
      "Google's response was cut short, so the proxy closed the client's connection: a truncated response must not look complete.",
    remedy: 'Send the request again. If it persists, check the firewall and the outgoing proxy.',
  },
  proxy: {
    problem: 'The proxy was told to shut down, and ShutdownGrace ended before the transfer.',
    remedy: 'Send the request again, and raise ShutdownGrace if transfers take longer.',
  },
}
