import type { OperationUrl } from '../stores/operation-url.ts'
import { type DeletionFailure, deletionFailure } from './deletion-failure.ts'

/** The deletion of a study or series at Google (google.longrunning.Operation), as one of Google's answers tells of it. */
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

/** Google may spell the project otherwise from one answer to the next. */
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
