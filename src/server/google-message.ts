import { gunzipSync } from 'node:zlib'
import type { ResponseObserver } from '../forward/response-observer.ts'
import { withoutSecrets } from '../outside-words.ts'
import { BoundedBody } from '../small-response.ts'
import { type GoogleError, googleErrorIn } from '../stores/google-error.ts'
import { redactMessage } from './redact-message.ts'

/** Bytes of an error document that are read: Google's are smaller. */
const maxBytes = 8 * 1024

/**
 * Whether a refusal is about identity, rights, quota or the service itself. Only then are Google's
 * words repeated: about the content of a request they may quote it, and so a patient's data.
 */
export function speaksOfService(status: number): boolean {
  return status === 401 || status === 403 || status === 408 || status === 429 || status >= 500
}

/**
 * What an error document of Google's says, fit for the log; empty texts for what it does not say.
 */
export type SaidOfRefusal = Pick<GoogleError, 'message' | 'reason' | 'project'>

/** Reads an error document of Google's as it passes. */
export class GoogleMessageReader implements ResponseObserver {
  readonly #status: number
  readonly #path: string
  readonly #tokens: Iterable<string>
  readonly #isCompressed: boolean
  readonly #onError: (said: SaidOfRefusal) => void
  readonly #body = new BoundedBody(maxBytes)
  #isFull = false

  /**
   * @param path path and query that were sent to Google: nothing of a patient's in them may come
   * back in the message
   * @param tokens that were sent to Google
   * @param isCompressed by gzip
   */
  constructor(
    status: number,
    { path, tokens }: { readonly path: string; readonly tokens: Iterable<string> },
    isCompressed: boolean,
    onError: (said: SaidOfRefusal) => void,
  ) {
    this.#status = status
    this.#tokens = tokens
    this.#isCompressed = isCompressed
    this.#path = path
    this.#onError = onError
  }

  push(chunk: Buffer): void {
    if (!this.#isFull) this.#isFull = !this.#body.add(chunk.subarray(0, maxBytes))
  }

  end(): void {
    try {
      const { bytes } = this.#body
      const said = saidIn((this.#isCompressed ? gunzipSync(bytes, { maxOutputLength: maxBytes }) : bytes).toString())
      const message = redactMessage(withoutSecrets(said.message, this.#tokens), this.#status, this.#path)
      this.#onError({ ...said, message })
    } catch {
      // What could not be made harmless is not repeated.
    }
  }
}

function saidIn(text: string): SaidOfRefusal {
  const none = { message: '', reason: '', project: '' }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return { ...none, message: firstMessage(text) ?? '' }
  }
  const { message, reason, project } = googleErrorIn(document) ?? none
  return { message, reason, project }
}

/**
 * Of a document that is too long to be read whole: a message cut short is none, for a part of a
 * value could not be told from others.
 */
function firstMessage(text: string): string | null {
  const found = /^\s*(?:\[\s*)?\{\s*"error"\s*:\s*\{[^{}]*?"message"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1]
  try {
    return found === undefined ? null : String(JSON.parse(found))
  } catch {
    return null
  }
}
