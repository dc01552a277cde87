import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Behavior } from './behavior.ts'
import { Call } from './call.ts'
import { handleControl } from './control.ts'
import { type ErrorReason, healthcare, iamCredentials, refusalFor } from './error-info.ts'
import { type Fault, type FaultSubject, type Faults, isDicomWeb } from './faults.ts'
import { refusePages } from './foreign-page.ts'
import { GoogleError, OAuthError } from './google-error.ts'
import { RequestLog } from './request-log.ts'
import type { EmulatorResponse } from './response.ts'
import { type Route, route, type World } from './routes.ts'
import { serve } from './sending.ts'
import type { TokenCounts } from './token-counts.ts'

/** What an emulator's requests share. */
export interface State {
  readonly world: World
  readonly faults: Faults
  readonly log: RequestLog
  readonly tokenRequests: TokenCounts
}

/**
 * One request: control, or route, fault and response. What fails after the response began, or with
 * the client gone, ends the connection.
 */
export async function handle(
  state: State,
  scheme: 'http' | 'https',
  request: IncomingMessage,
  response: ServerResponse,
  socket: Socket,
): Promise<void> {
  const control = request.url?.startsWith('/emulator/')
  const record = control ? new RequestLog().record(request) : state.log.record(request)
  const call = new Call(request, response, record, scheme)
  response.once('close', () => {
    record.ended = true
  })
  // A client may go at any time; the reader and the writer of the bodies notice it themselves.
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  const { clock } = state.world
  if (clock.skew !== 0) response.setHeader('date', new Date(clock.now()).toUTCString())
  try {
    const found = await routeOf(() => {
      refusePages(request, scheme)
      return control ? controlRoute(state, call) : route(state.world, call)
    })
    if (found.subject?.target === 'token') count(state.tokenRequests, found.subject.grant)
    const fault = (found.subject && state.faults.take(found.subject)) ?? noFault
    const form = found.subject && isDicomWeb(found.subject) ? state.world.behavior.errors : 'object'
    const refuse = (status: number) => refusal(status, fault.reason, found.subject).toResponse(form)
    await serve(call, { response, socket }, { fault, refuse }, () => responseOf(found, form))
  } catch {
    response.destroy()
  }
}

async function routeOf(find: () => Route | Promise<Route>): Promise<Route> {
  try {
    return await find()
  } catch (cause) {
    if (cause instanceof GoogleError) return { work: () => Promise.reject(cause) }
    throw cause
  }
}

const noFault: Fault = { target: 'token' }

/** What a fault says in place of the response. */
function refusal(status: number, reason: ErrorReason | undefined, subject: FaultSubject | undefined): GoogleError {
  if (reason === undefined) return new GoogleError(status, `The emulator was asked to respond with ${status}.`)
  const service = subject?.grant === 'impersonation' ? iamCredentials : healthcare
  const { message, info } = refusalFor(reason, service, subject?.store?.split('/')[1] ?? 'demo')
  return new GoogleError(status, message, { info })
}

function controlRoute(state: State, call: Call): Route {
  const { tokens, operations, clock, behavior, stores } = state.world
  return { work: () => handleControl({ ...state, tokens, operations, clock, behavior, stores }, call) }
}

function count(counts: TokenCounts, grant: keyof TokenCounts | undefined): void {
  counts.total += 1
  if (grant) counts[grant] += 1
}

/**
 * Rejections are responses; anything else is a fault of the emulator's own, or a client that broke
 * off.
 */
async function responseOf({ work }: Route, form: Behavior['errors']): Promise<EmulatorResponse> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof OAuthError) return cause.toResponse()
    if (cause instanceof GoogleError) return cause.toResponse(form)
    const message = `The emulator failed: ${cause instanceof Error ? cause.message : cause}`
    return new GoogleError(500, message).toResponse(form)
  }
}
