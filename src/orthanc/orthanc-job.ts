import { withoutSourcePlace } from './orthanc-words.ts'

/**
 * A finished job of Orthanc. Orthanc responds with HTTP 200 for a failed one, too: look at
 * `state`.
 */
export interface OrthancJob {
  readonly id: string
  readonly type: string
  readonly state: 'Success' | 'Failure'
  /** Orthanc's own number; 0 for success. */
  readonly errorCode: number
  /** Empty for success. */
  readonly errorDescription: string
  /** Mostly empty. */
  readonly errorDetails: string
  /**
   * Depends on the type; a STOW job has `InstancesCount`, a WADO job `ReceivedInstancesCount`: both
   * are strings.
   */
  readonly content: Readonly<Record<string, unknown>>
}

/** A job of `GET /jobs/ID`, or null while it is still running. */
export function finishedJob(response: Record<string, unknown>): OrthancJob | null {
  const state = response.State
  if (state !== 'Success' && state !== 'Failure') return null
  const content = (response.Content ?? {}) as Record<string, unknown>
  return {
    id: String(response.ID),
    type: String(response.Type),
    state,
    ...(state === 'Failure' ? failureOf(response, content) : { errorCode: 0, errorDescription: '', errorDetails: '' }),
    content,
  }
}

// Of every failed job of its plugins the core only says "Error encountered within the plugin
// engine": the cause is in the content.
function failureOf(response: Record<string, unknown>, content: Record<string, unknown>) {
  return {
    errorCode: Number(content.FunctionErrorCode ?? response.ErrorCode),
    errorDescription: String(content.FunctionErrorDescription ?? response.ErrorDescription),
    errorDetails: withoutSourcePlace(String(content.FunctionErrorDetails ?? response.ErrorDetails ?? '')),
  }
}

/** What Orthanc says of a job of any state. Times are by this machine's clock, in milliseconds. */
export interface JobDescription {
  readonly id: string
  readonly type: string
  readonly state: string
  /** The DICOMweb server that it sends to; null if Orthanc doesn't say. */
  readonly server: string | null
  /** Orthanc's identifiers of all that it sends; null if Orthanc doesn't say. */
  readonly instances: readonly string[] | null
  readonly priority: number
  readonly createdAt: number
  readonly endedAt: number | null
  /** How much earlier (ms) that may have been: Orthanc took as long to say so. */
  readonly uncertainty: number
  /** The same in Orthanc's words: another one after each run. */
  readonly completion: string
  /** Milliseconds of its last run. */
  readonly runtime: number
  /** Why it failed. */
  readonly words: string
}

/** @param exchange when Orthanc was asked, and when its response was there */
export function jobDescription(
  response: Readonly<Record<string, unknown>>,
  { asked, received }: { readonly asked: number; readonly received: number },
): JobDescription {
  const { ID, Type, State, Priority, CreationTime, CompletionTime, Timestamp, EffectiveRuntime } = response
  const content = (response.Content ?? {}) as Readonly<Record<string, unknown>>
  // The two clocks may differ.
  const ahead = timeOf(Timestamp) - received || 0
  const completion = typeof CompletionTime === 'string' ? CompletionTime : ''
  return {
    id: String(ID),
    type: String(Type),
    state: String(State),
    server: typeof content.Server === 'string' ? content.Server : null,
    instances: instancesOf(content),
    priority: Number.isSafeInteger(Priority) ? Number(Priority) : 0,
    createdAt: timeOf(CreationTime) - ahead,
    endedAt: completion === '' ? null : timeOf(completion) - ahead,
    uncertainty: Math.max(received - asked, 0),
    completion,
    runtime: 1000 * Number(EffectiveRuntime ?? 0),
    words: String(content.FunctionErrorDescription ?? ''),
  }
}

// The studies and series that it names beside them may have got more instances since, or fewer.
function instancesOf({ Resources, InstancesCount }: Readonly<Record<string, unknown>>): readonly string[] | null {
  const instances = (Resources as { Instances?: unknown } | undefined)?.Instances
  if (!Array.isArray(instances) || !instances.every((id) => typeof id === 'string')) return null
  return instances.length > 0 && instances.length === Number(InstancesCount) ? instances : null
}

/** `20261128T034844.939064`, in UTC; NaN for anything else. */
function timeOf(text: unknown): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\.\d{1,9})?$/.exec(String(text))
  if (!parts) return Number.NaN
  const [, year, month, day, hour, minute, second, fraction = ''] = parts
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${fraction.slice(0, 4)}Z`)
}
