import type { Inbound } from '../downstream/inbound.ts'
import { lingerWhileSending } from '../downstream/lingering-close.ts'
import { type Cors, isPreflight, preflightHeaders } from '../guard/cors.ts'
import { validateRequestHead } from '../guard/request-head.ts'

/** Lets a named page read the response, an error included. */
export function allowReading({ request, response }: Inbound, cors: Cors): void {
  for (const [name, value] of Object.entries(cors.headersFor(request) ?? {})) response.setHeader(name, value)
}

/**
 * Responds to a preflight for a named page: before any login, and alike for every path. False if
 * the request is none, or is to be rejected like others.
 */
export function respondToPreflight(inbound: Inbound): boolean {
  const { request, response } = inbound
  if (!isPreflight(request) || !response.hasHeader('access-control-allow-origin') || !isValid(inbound)) return false
  lingerWhileSending(response)
  response.writeHead(204, preflightHeaders)
  response.end()
  inbound.drain(true)
  return true
}

function isValid({ request }: Inbound): boolean {
  try {
    validateRequestHead(request)
    return true
  } catch {
    return false
  }
}
