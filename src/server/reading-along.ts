import type { ReadAnswer } from '../forward/answer-reader.ts'
import type { Permit } from '../guard/guard.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import { GoogleMessageReader, speaksOfService } from './google-message.ts'
import { readStowAnswer } from './stow-answer/stow-answer.ts'

/**
 * What is learnt for the request's event from answers that pass: Google's words when it refuses, and what became of the
 * instances of an upload. Nobody reads the answers to searches and retrievals.
 *
 * @param tokens that were sent to Google
 */
export function readingAlong(
  { service, path }: Pick<Permit<never>, 'service' | 'path'>,
  event: RequestEvent,
  tokens: Iterable<string>,
): ReadAnswer {
  return (status, headers) => {
    if (speaksOfService(status)) {
      const isCompressed = headers['content-encoding'] === 'gzip'
      return new GoogleMessageReader(status, { path, tokens }, isCompressed, (message) => {
        event.googleMessage = message
      })
    }
    if (service !== 'STOW-RS') return null
    const { subjects } = event
    return readStowAnswer(status, headers, {
      ...(subjects && { onInstance: ({ outcome, sopInstanceUid }) => subjects.instance(outcome, sopInstanceUid) }),
      onCounts: (counts) => {
        event.instances = counts
      },
    })
  }
}
