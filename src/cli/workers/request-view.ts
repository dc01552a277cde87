import type { RequestEvent, RequestView } from '../../observe/request-event.ts'

/** A request as it is now: what can be handed to another process. Nothing of it is a secret, or about a patient. */
export function viewOf(event: RequestEvent): RequestView {
  const { requestId, account, service, route, status, code, layer, detail, googleMessage, instances, cutBy } = event
  const { attempts, expected, phase, age, firstByteAfter, failed } = event
  const progress = { ...event.progress }
  return {
    ...{ requestId, account, service, route, status, code, layer, detail, googleMessage, instances, cutBy },
    ...{ attempts, expected, phase, age, firstByteAfter, failed, progress },
  }
}
