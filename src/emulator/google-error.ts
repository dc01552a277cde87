import type { EmulatorResponse } from './response.ts'

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
  415: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

/**
 * A refusal in the shape of Google's API design guide, "Errors":
 * `{"error":{"code","message","status"}}`.
 */
export class GoogleError extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.name = 'GoogleError'
    this.status = status
    this.headers = headers
  }

  toResponse(): EmulatorResponse {
    const error = { code: this.status, message: this.message, status: codes[this.status] ?? 'UNKNOWN' }
    return {
      status: this.status,
      headers: { 'content-type': 'application/json; charset=UTF-8', ...this.headers },
      body: `${JSON.stringify({ error }, null, 2)}\n`,
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
