import type { Behavior } from './behavior.ts'
import type { ErrorInfo } from './error-info.ts'
import type { EmulatorResponse } from './response.ts'

const errorInfoType = 'type.googleapis.com/google.rpc.ErrorInfo'

/** HTTP status -> canonical code, as in google/rpc/code.proto. */
const codes: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  406: 'INVALID_ARGUMENT',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  413: 'INVALID_ARGUMENT',
  416: 'OUT_OF_RANGE',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

/** Beside the message: headers of the response, and `details` of the error. */
export interface GoogleErrorOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly info?: ErrorInfo
}

/**
 * A refusal in the shape of Google's API design guide, "Errors":
 * `{"error":{"code","message","status"}}`; or an array of it, see `Behavior.errors`.
 */
export class GoogleError extends Error {
  readonly status: number
  readonly #options: GoogleErrorOptions

  constructor(status: number, message: string, options: GoogleErrorOptions = {}) {
    super(message)
    this.name = 'GoogleError'
    this.status = status
    this.#options = options
  }

  toResponse(form: Behavior['errors'] = 'object'): EmulatorResponse {
    const { headers, info } = this.#options
    const status = codes[this.status] ?? 'UNKNOWN'
    const details = info && [{ '@type': errorInfoType, domain: 'googleapis.com', ...info }]
    const document = { error: { code: this.status, message: this.message, status, ...(details && { details }) } }
    return {
      status: this.status,
      headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
      body: `${JSON.stringify(form === 'array' ? [document] : document, null, 2)}\n`,
    }
  }
}

/**
 * A refusal of the token endpoints (RFC 6749, 5.2), which do not use the shape of the other APIs.
 */
export class OAuthError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, description: string) {
    super(description)
    this.name = 'OAuthError'
    this.status = status
    this.code = code
  }

  toResponse(): EmulatorResponse {
    return {
      status: this.status,
      headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
      body: `${JSON.stringify({ error: this.code, error_description: this.message }, null, 2)}\n`,
    }
  }
}
