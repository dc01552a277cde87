/** A finished job of Orthanc. Orthanc answers for a failed one with HTTP 200 as well: look at `state`. */
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
  /** Depends on the type; a STOW job has `InstancesCount`, a WADO job `ReceivedInstancesCount`: both are strings. */
  readonly content: Readonly<Record<string, unknown>>
}

/** A job as `GET /jobs/ID` answers it, or null while it still has to go on. */
export function finishedJob(answer: Record<string, unknown>): OrthancJob | null {
  const state = answer.State
  if (state !== 'Success' && state !== 'Failure') return null
  const content = (answer.Content ?? {}) as Record<string, unknown>
  return {
    id: String(answer.ID),
    type: String(answer.Type),
    state,
    ...(state === 'Failure' ? failureOf(answer, content) : { errorCode: 0, errorDescription: '', errorDetails: '' }),
    content,
  }
}

// Of every failed job of its plugins the core only says "Error encountered within the plugin engine": the cause is in the content.
function failureOf(answer: Record<string, unknown>, content: Record<string, unknown>) {
  return {
    errorCode: Number(content.FunctionErrorCode ?? answer.ErrorCode),
    errorDescription: String(content.FunctionErrorDescription ?? answer.ErrorDescription),
    errorDetails: String(content.FunctionErrorDetails ?? answer.ErrorDetails ?? ''),
  }
}
