import type { ObserveResponse } from '../forward/response-observer.ts'
import type { Permit } from '../guard/guard.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import { doubtByHeaders } from './doubtful-success.ts'
import { GoogleMessageReader, speaksOfService } from './google-message.ts'
import { observeStowResponse } from './stow-response/stow-response-reader.ts'

/**
 * What is learnt for the request's event from responses that pass: Google's words when it refuses,
 * and what became of the instances of an upload. Of the responses to searches and retrievals, only
 * the headers are read.
 *
 * @param tokens that were sent to Google
 */
export function observeResponse(
  { service, path }: Pick<Permit<never>, 'service' | 'path'>,
  event: RequestEvent,
  tokens: Iterable<string>,
): ObserveResponse {
  return (status, headers) => {
    event.doubt = doubtByHeaders(service, status, headers)
    if (speaksOfService(status)) {
      const isCompressed = headers['content-encoding'] === 'gzip'
      return new GoogleMessageReader(status, { path, tokens }, isCompressed, ({ message, reason, project }) => {
        event.googleMessage = message || undefined
        event.googleReason = reason
        event.googleProject = project
      })
    }
    if (service !== 'STOW-RS') return null
    const { subjects } = event
    return observeStowResponse(status, headers, {
      ...(subjects && { onInstance: ({ outcome, sopInstanceUid }) => subjects.instance(outcome, sopInstanceUid) }),
      onCounts: (counts) => {
        event.instances = counts
      },
    })
  }
}
