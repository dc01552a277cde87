import { setTimeout as delay } from 'node:timers/promises'
import { abortable } from '../concurrency/abort.ts'
import type { AccessToken, TokenSource } from '../credentials/access-token.ts'
import type { OperationUrl } from '../stores/dicom-store.ts'
import type { BufferedResponse } from './buffered-response.ts'
import { TokenRejections } from './token-rejections.ts'

/**
 * The deletion of a study or series at Google (google.longrunning.Operation), as one of Google's
 * responses tells of it.
 */
export interface Operation {
  readonly url: URL
  readonly done: boolean
  /** Why it did not delete everything, once it is done. */
  readonly failure: DeletionFailure | null
  /** The document, as Google wrote it. */
  readonly body: Buffer
}

/** The operation that a body tells of; null if it is none of the account's dataset. */
export function operationIn(body: Buffer, operationUrl: OperationUrl): Operation | null {
  const document = documentIn(body) ?? {}
  const url = operationUrl(document.name)
  if (!url) return null
  const done = document.done === true
  return { url, done, failure: done ? deletionFailure(document) : null, body }
}

/** Whether a body is a JSON object at all. */
export function isDocument(body: Buffer): boolean {
  return documentIn(body) !== null
}

/** Google may spell the project otherwise from one response to the next. */
export function isSameOperation(one: Operation, other: Operation): boolean {
  return idOf(one) === idOf(other)
}

function idOf({ url }: Operation): string | undefined {
  return url.pathname.split('/').at(-1)
}

function documentIn(body: Buffer): Record<string, unknown> | null {
  try {
    const document: unknown = JSON.parse(body.toString())
    const isObject = typeof document === 'object' && document !== null && !Array.isArray(document)
    return isObject ? (document as Record<string, unknown>) : null
  } catch {
    return null
  }
}

/**
 * What matters of an operation that is done: google.longrunning.Operation, and Google's
 * OperationMetadata in it.
 */
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

/** Milliseconds before the first poll; each next one waits twice as long, up to the longest. */
const firstIntervalMs = 250
const maxIntervalMs = 5_000
/** Milliseconds that one poll may take, token and all. */
const pollTimeoutMs = 5_000

/**
 * Statuses of a poll after which the next one may find more: those that Google advises to retry,
 * and what a gateway may say.
 */
const isTransient = (status: number) => status === 408 || status === 425 || status === 429 || status >= 500

export interface Polling {
  readonly tokens: TokenSource
  readonly operationUrl: OperationUrl
  /** Sends one poll; rejects when there is no response. */
  readonly sendPoll: (url: URL, token: AccessToken, signal: AbortSignal) => Promise<BufferedResponse>
}

/** How the waiting ended, and the last that Google told of the operation. */
export type PollResult = { readonly end: 'done'; readonly operation: Operation } | PendingOperation

export type PendingOperation =
  | { readonly end: 'time' | 'stopped'; readonly operation: Operation }
  /** Google does not tell, and will not a moment later. */
  | { readonly end: 'refused'; readonly operation: Operation; readonly status: number }

/**
 * Polls an operation until it is done. Never rejects: a poll that fails says nothing about the
 * operation, and the next one may do better.
 *
 * @param deadline by `performance.now()`; no poll begins later
 * @param signal ends the waiting at once
 */
export async function pollUntilDone(
  initial: Operation,
  polling: Polling,
  deadline: number,
  signal: AbortSignal,
): Promise<PollResult> {
  let operation = initial
  for (let interval = firstIntervalMs; ; interval = Math.min(interval * 2, maxIntervalMs)) {
    if (operation.done) return { end: 'done', operation }
    const left = deadline - performance.now()
    if (left <= 0) return { end: 'time', operation }
    await delay(Math.min(interval, left), undefined, { signal }).catch(() => {})
    if (signal.aborted) return { end: 'stopped', operation }
    const response = await pollOnce(operation.url, polling, signal)
    if (response && response.status !== 200 && !isTransient(response.status)) {
      return { end: 'refused', operation, status: response.status }
    }
    const seen = response?.status === 200 ? operationIn(response.body, polling.operationUrl) : null
    if (seen && isSameOperation(seen, operation)) operation = seen
  }
}

/** Polls again with a new token if the first is rejected. Null when there is no response. */
async function pollOnce(url: URL, polling: Polling, signal: AbortSignal): Promise<BufferedResponse | null> {
  const { tokens, sendPoll } = polling
  const limited = AbortSignal.any([signal, AbortSignal.timeout(pollTimeoutMs)])
  try {
    const rejections = new TokenRejections(tokens)
    for (;;) {
      const token = await abortable(tokens.token(), limited)
      const response = await sendPoll(url, token, limited)
      if (response.status !== 401 || !rejections.invalidateOnce(token)) return response
    }
  } catch {
    return null
  }
}
