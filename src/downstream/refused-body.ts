import type { IncomingMessage } from 'node:http'
import type { ProxyError } from '../errors.ts'

/** Bodies of which nothing more is read while they still come, and why. */
const refusals = new WeakMap<IncomingMessage, ProxyError>()

/** Event of a request whose body was refused. */
export const bodyRefused = Symbol('body refused')

/** Has a request fail for its body, at once if that is on its way already, and else as soon as it is wanted. */
export function refuseBody(request: IncomingMessage, why: ProxyError): void {
  refusals.set(request, why)
  request.emit(bodyRefused)
}

export function refusalOf(request: IncomingMessage): ProxyError | undefined {
  return refusals.get(request)
}
