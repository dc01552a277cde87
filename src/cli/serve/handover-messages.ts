import type { JobState } from '../../orthanc/job-state-file.ts'
import type { FailedUpload } from '../../orthanc/upload-outcomes.ts'
import type { ListeningSockets } from '../../proxy/listen.ts'

/**
 * Names the variable that tells a process that it is a successor. Its value is JSON: the
 * predecessor's {@link ListeningSockets}, with the descriptors as the successor has them.
 */
export const handoverVariable = 'GCP_DICOMWEB_PROXY_HANDOVER'

export type InheritedSockets = ListeningSockets

/**
 * What a successor says, in this order; `failed` at any time before `serving`, and `succeeded` as
 * often as it changes.
 */
export type SuccessorMessage =
  /** Everything but the listeners is ready; names the accounts without a token. */
  | { readonly kind: 'prepared'; readonly withoutToken: readonly string[] }
  /** It accepts connections. */
  | { readonly kind: 'serving' }
  /** A successor of its own accepts connections in its place, or doesn't any more. */
  | { readonly kind: 'succeeded'; readonly serves: boolean }
  /** It ends. */
  | { readonly kind: 'failed'; readonly reason: string }

/** What its predecessor says, in this order; `upload-failed` as long as it finishes requests. */
export type PredecessorMessage =
  /** Open the listeners. */
  | { readonly kind: 'serve' }
  /** The predecessor no longer talks to Orthanc. */
  | { readonly kind: 'released'; readonly jobs: JobState | null }
  | { readonly kind: 'upload-failed'; readonly upload: FailedUpload }
