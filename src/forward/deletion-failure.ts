/** What matters of an operation that is done: google.longrunning.Operation, and Google's OperationMetadata in it. */
interface Finished {
  readonly error?: unknown
  readonly metadata?: unknown
}

/** Why, in Google's words; they may quote what a client asked for. */
export interface DeletionFailure {
  /** Name of the operation's google.rpc.Code, if it ended with one. */
  readonly code: string | null
  readonly message: string | null
  /** Instances that are left, and that are gone, where Google counted some that are left. */
  readonly counts: { readonly failed: number; readonly deleted: number } | null
}

/** Null when everything was deleted. */
export function deletionFailure({ error, metadata }: Finished): DeletionFailure | null {
  const { success, failure } = membersOf(membersOf(metadata).counter)
  // Google writes its 64-bit numbers as texts.
  const counts = Number(failure) > 0 ? { failed: Number(failure), deleted: Number(success) || 0 } : null
  if (!error && !counts) return null
  const { code, message } = membersOf(error)
  return {
    code: error ? (codes[Number(code)] ?? 'UNKNOWN') : null,
    message: typeof message === 'string' && message !== '' ? message : null,
    counts,
  }
}

/** Names of google.rpc.Code, by number. */
const codes = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
