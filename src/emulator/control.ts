import { type Behavior, defaultBehavior, problemIn } from './behavior.ts'
import type { Call } from './call.ts'
import type { Clock } from './clock.ts'
import { errorReasons } from './error-info.ts'
import { type Fault, type Faults, faultTargets } from './faults.ts'
import { GoogleError } from './google-error.ts'
import type { AccessTokens } from './oauth/access-tokens.ts'
import type { RequestLog } from './request-log.ts'
import { type EmulatorResponse, jsonResponse } from './response.ts'
import type { DicomStore } from './store/dicom-store.ts'
import type { OperationFailure, Operations } from './store/operations.ts'
import type { TokenCounts } from './token-counts.ts'

export interface Controlled {
  readonly faults: Faults
  readonly log: RequestLog
  readonly tokens: AccessTokens
  readonly tokenRequests: TokenCounts
  readonly operations: Operations
  readonly clock: Clock
  readonly behavior: Behavior
  readonly stores: ReadonlyMap<string, DicomStore>
}

/**
 * The knobs for another process, under `/emulator/`: no part of Google, so neither logged nor
 * subject to faults.
 */
export async function handleControl(
  { faults, log, tokens, tokenRequests, operations, clock, behavior, stores }: Controlled,
  call: Call,
): Promise<EmulatorResponse> {
  switch (`${call.method} ${call.path}`) {
    case 'GET /emulator/faults':
      return jsonResponse(faults.list())
    case 'PUT /emulator/faults':
      return replaceFaults(faults, call)
    case 'DELETE /emulator/faults':
      faults.clear()
      return jsonResponse({})
    case 'GET /emulator/log':
      return jsonResponse({ requests: log.entries, tokenRequests })
    case 'DELETE /emulator/log':
      log.clear()
      return jsonResponse({})
    case 'POST /emulator/tokens/revoke':
      tokens.revoke()
      return jsonResponse({})
    case 'POST /emulator/tokens/expire':
      tokens.expire()
      return jsonResponse({})
    case 'PUT /emulator/tokens/lifetime':
      tokens.lifetime = await seconds(call)
      return jsonResponse({})
    case 'PUT /emulator/clock':
      clock.skew = (await seconds(call, Number.NEGATIVE_INFINITY)) * 1000
      return jsonResponse({})
    case 'PUT /emulator/operations/duration':
      operations.duration = (await seconds(call)) * 1000
      return jsonResponse({})
    case 'PUT /emulator/operations/failure':
      operations.failWith = await operationFailure(call)
      return jsonResponse({})
    case 'DELETE /emulator/operations/failure':
      operations.failWith = {}
      return jsonResponse({})
    case 'POST /emulator/searches/settle':
      for (const store of stores.values()) store.settleSearches()
      return jsonResponse({})
    case 'GET /emulator/behavior':
      return jsonResponse(behavior)
    case 'PUT /emulator/behavior':
      return changeBehavior(behavior, call)
    case 'DELETE /emulator/behavior':
      return jsonResponse(Object.assign(behavior, defaultBehavior))
    default:
      throw new GoogleError(404, 'No such control; see src/emulator/control.ts.')
  }
}

/** The body is one fault or an array of them; they take the place of all others. */
async function replaceFaults(faults: Faults, call: Call): Promise<EmulatorResponse> {
  const body: unknown = await call.json()
  const list = Array.isArray(body) ? body : [body]
  if (!list.every((fault) => faultTargets.includes(fault?.target))) {
    throw new GoogleError(400, `Every fault needs a target: ${faultTargets.join(', ')}.`)
  }
  if (list.some(({ reason }) => reason !== undefined && !errorReasons.includes(reason))) {
    throw new GoogleError(400, `A fault's reason is one of ${errorReasons.join(', ')}.`)
  }
  faults.clear()
  for (const fault of list as Fault[]) faults.add(fault)
  return jsonResponse(faults.list())
}

/** The body names what changes; all else stays. */
async function changeBehavior(behavior: Behavior, call: Call): Promise<EmulatorResponse> {
  const change = await call.json()
  const problem = problemIn(change)
  if (problem !== undefined) throw new GoogleError(400, problem)
  return jsonResponse(Object.assign(behavior, change))
}

async function seconds(call: Call, least = 0): Promise<number> {
  const { seconds } = await call.json()
  if (typeof seconds !== 'number' || !(seconds >= least)) throw new GoogleError(400, 'Send {"seconds": N}.')
  return seconds
}

async function operationFailure(call: Call): Promise<OperationFailure> {
  const { error, failures } = (await call.json()) as Partial<Record<keyof OperationFailure, unknown>>
  if (isStatus(error)) return { error }
  if (Number.isInteger(failures) && Number(failures) > 0) return { failures: Number(failures) }
  throw new GoogleError(400, 'Send {"error": {"code": N, "message": "..."}} or {"failures": N}.')
}

/** google.rpc.Status. */
function isStatus(value: unknown): value is NonNullable<OperationFailure['error']> {
  const { code, message } = (value ?? {}) as { code?: unknown; message?: unknown }
  return Number.isInteger(code) && typeof message === 'string'
}
