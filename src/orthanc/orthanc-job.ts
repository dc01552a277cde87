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
