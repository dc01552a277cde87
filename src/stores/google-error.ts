/** What an error document of a Google API says; empty texts for what it does not say. */
export interface GoogleError {
  /** In words, which may quote the request. */
  readonly message: string
  /** Such as `PERMISSION_DENIED`. */
  readonly status: string
  /** `reason` of its google.rpc.ErrorInfo, such as `SERVICE_DISABLED`. */
  readonly reason: string
  /** Host name of the API that refuses, such as `healthcare.googleapis.com`. */
  readonly api: string
  /** The project that the API counts the request against: its id or number. */
  readonly project: string
}

/**
 * Reads an error document (https://cloud.google.com/apis/design/errors), which some of Google's
 * servers send alone in an array. Null if it is none.
 */
export function googleErrorIn(document: unknown): GoogleError | null {
  const { error } = object(Array.isArray(document) ? document[0] : document)
  if (typeof error !== 'object' || error === null) return null
  const { message, status, details } = object(error)
  const { reason, metadata } = errorInfoIn(details)
  const { service, consumer } = object(metadata)
  return {
    message: text(message),
    status: text(status),
    reason: matching(reason, /^[A-Z][A-Z0-9_]{0,62}$/),
    api: matching(service, /^[a-z0-9.-]{1,200}\.googleapis\.com$/),
    project: matching(text(consumer).replace(/^projects\//, ''), /^[a-z0-9][a-z0-9-]{0,62}$/),
  }
}

/** Other kinds of details have no reason. */
function errorInfoIn(details: unknown): Readonly<Record<string, unknown>> {
  const all = Array.isArray(details) ? details.map(object) : []
  return all.find(({ reason }) => typeof reason === 'string') ?? {}
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function matching(value: unknown, pattern: RegExp): string {
  return typeof value === 'string' && pattern.test(value) ? value : ''
}
