import { ProxyError } from '../errors.ts'

/** What matters of an operation that is done: google.longrunning.Operation, and Google's OperationMetadata in it. */
interface Finished {
  readonly error?: unknown
  readonly metadata?: unknown
}

/** Characters of Google's message that are passed on. */
const longest = 300

const whatToDo = 'Search for what is left, and delete it again.'

/** Why a deletion that is done did not delete everything; null when it did. */
export function deletionFailure({ error, metadata }: Finished): ProxyError | null {
  const { success, failure } = membersOf(membersOf(metadata).counter)
  const reasons = [
    ...(error ? [reasonOf(membersOf(error))] : []),
    // Google writes its 64-bit numbers as texts.
    ...(Number(failure) > 0 ? [`${Number(failure)} could not be deleted, ${Number(success) || 0} were.`] : []),
  ]
  if (reasons.length === 0) return null
  return new ProxyError('deletion-failed', `Google's deletion failed: ${reasons.join(' ')} ${whatToDo}`)
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

function reasonOf({ code, message }: Record<string, unknown>): string {
  const name = codes[Number(code)] ?? 'UNKNOWN'
  return typeof message === 'string' && message !== '' ? `${name}: ${withoutUids(message)}` : `${name}.`
}

/** No identifier of a patient's examination belongs into a problem document, or into the log that repeats it. */
function withoutUids(message: string): string {
  const text = message
    .replace(/\d+(\.\d+)+/g, '…')
    .replace(/\s+/g, ' ')
    .trim()
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
