/** What went wrong, for the person who has to act. It holds neither a secret nor patient data. */
export interface Explanation {
  /** What is wrong: a sentence or two. */
  readonly problem: string
  /** What to do: begins with a verb. */
  readonly remedy: string
}

/**
 * The only place that joins them: for `detail` of problem documents, the log and the status page.
 */
export function inOneLine({ problem, remedy }: Explanation): string {
  return remedy === '' ? problem : `${problem} ${remedy}`
}

export interface Diagnosis<Code extends string = string> extends Explanation {
  /** Stable, for programs. */
  readonly code: Code
}

/** A failure that a person may read; the message is problem and remedy in one line. */
export class DiagnosedError<Code extends string = string> extends Error implements Diagnosis<Code> {
  readonly code: Code
  readonly problem: string
  readonly remedy: string

  constructor({ code, problem, remedy }: Diagnosis<Code>, options?: ErrorOptions) {
    super(inOneLine({ problem, remedy }), options)
    this.name = 'DiagnosedError'
    this.code = code
    this.problem = problem
    this.remedy = remedy
  }
}

/**
 * The proxy's own error responses, in one table. Each code is a user-visible name: docs/errors.md
 * documents it, and it never changes its meaning.
 *
 * `layer` says where the problem is: the client's request, this proxy, the token issuer, or
 * Google's DICOM store. `proxyStatus` is the error type of RFC 9209 2.3.
 */
export const errorTable = {
  'unknown-account': { status: 404, layer: 'client', title: 'No such account', proxyStatus: 'http_request_denied' },
  'not-dicomweb': {
    status: 404,
    layer: 'client',
    title: 'Not a DICOMweb resource',
    proxyStatus: 'http_request_denied',
  },
  'method-not-allowed': {
    status: 405,
    layer: 'client',
    title: 'Method not allowed',
    proxyStatus: 'http_request_denied',
  },
  'malformed-request': { status: 400, layer: 'client', title: 'Malformed request', proxyStatus: 'http_request_error' },
  'tiny-chunks': {
    status: 400,
    layer: 'client',
    title: 'Body in too small chunks',
    proxyStatus: 'http_request_error',
  },
  'body-not-allowed': {
    status: 400,
    layer: 'client',
    title: 'This request must not carry a body',
    proxyStatus: 'http_request_error',
  },
  'query-not-allowed': {
    status: 400,
    layer: 'client',
    title: 'Query parameter not allowed',
    proxyStatus: 'http_request_error',
  },
  'not-acceptable': {
    status: 406,
    layer: 'client',
    title: 'The proxy can complete searches in DICOM JSON only',
    proxyStatus: 'http_request_error',
  },
  'search-too-broad': {
    status: 413,
    layer: 'client',
    title: 'The search reads too much',
    proxyStatus: 'http_request_error',
  },
  'client-unauthenticated': {
    status: 401,
    layer: 'client',
    title: 'Not logged in',
    proxyStatus: 'http_request_denied',
  },
  'too-many-failed-logins': {
    status: 429,
    layer: 'client',
    title: 'Too many failed logins',
    proxyStatus: 'http_request_denied',
  },
  'admin-only': { status: 403, layer: 'client', title: 'For administrators only', proxyStatus: 'http_request_denied' },
  'too-many-streams': {
    status: 503,
    layer: 'proxy',
    title: 'The status page is open too often',
    proxyStatus: 'connection_limit_reached',
  },
  'service-not-allowed': {
    status: 403,
    layer: 'proxy',
    title: 'Service not allowed for this account',
    proxyStatus: 'http_request_denied',
  },
  'request-timeout': {
    status: 408,
    layer: 'client',
    title: 'The request did not arrive in time',
    proxyStatus: 'http_request_error',
  },
  'header-too-large': {
    status: 431,
    layer: 'client',
    title: 'Request header too large',
    proxyStatus: 'http_request_error',
  },
  'token-unavailable': {
    status: 503,
    layer: 'token',
    title: 'No access token',
    proxyStatus: 'destination_unavailable',
  },
  'token-renewed': {
    status: 503,
    layer: 'token',
    title: 'The access token was replaced during the upload',
    proxyStatus: 'destination_unavailable',
  },
  'token-rejected': {
    status: 502,
    layer: 'upstream',
    title: 'Google rejects the access token',
    proxyStatus: 'destination_unavailable',
  },
  'upstream-unreachable': {
    status: 502,
    layer: 'upstream',
    title: 'Google cannot be reached',
    proxyStatus: 'destination_unavailable',
  },
  'upstream-tls': {
    status: 502,
    layer: 'upstream',
    title: 'No trusted TLS connection to Google',
    proxyStatus: 'tls_certificate_error',
  },
  'upstream-reset': {
    status: 502,
    layer: 'upstream',
    title: 'Google closed the connection before a response',
    proxyStatus: 'connection_terminated',
  },
  'upstream-invalid': {
    status: 502,
    layer: 'upstream',
    title: 'Google sent an invalid response',
    proxyStatus: 'http_protocol_error',
  },
  'upstream-timeout': {
    status: 504,
    layer: 'upstream',
    title: 'No response from Google in time',
    proxyStatus: 'http_response_timeout',
  },
  'wrong-host': {
    status: 421,
    layer: 'client',
    title: 'Not the name of this listener',
    proxyStatus: 'http_request_denied',
  },
  'cross-origin': {
    status: 403,
    layer: 'client',
    title: 'Request of another origin',
    proxyStatus: 'http_request_denied',
  },
  'too-busy': {
    status: 503,
    layer: 'proxy',
    title: 'Too many requests in flight',
    proxyStatus: 'connection_limit_reached',
  },
  'deletion-failed': {
    status: 502,
    layer: 'upstream',
    title: 'Google could not delete everything',
    proxyStatus: 'http_response_incomplete',
  },
  'audit-unavailable': {
    status: 503,
    layer: 'proxy',
    title: 'The audit trail cannot be written',
    proxyStatus: 'proxy_internal_error',
  },
  'shutting-down': {
    status: 503,
    layer: 'proxy',
    title: 'The proxy is shutting down',
    proxyStatus: 'proxy_internal_response',
  },
  internal: {
    status: 500,
    layer: 'proxy',
    title: 'Unexpected failure in the proxy',
    proxyStatus: 'proxy_internal_error',
  },
} as const satisfies Record<string, { status: number; layer: Layer; title: string; proxyStatus: string }>

export type ErrorCode = keyof typeof errorTable
export type Layer = 'client' | 'proxy' | 'token' | 'upstream'

/** For `internal`. */
export const bug: Explanation = { problem: 'This is a bug in the proxy.', remedy: "Report it, with the proxy's log." }

interface ProxyErrorOptions {
  /** The failure underneath; for logs, never shown to a client. */
  cause?: unknown
  /** When a retry makes sense, in seconds: sent as `Retry-After`. */
  retryAfter?: number | undefined
  /** The methods that the resource has: sent as `Allow`. */
  allow?: readonly string[] | undefined
  /** Whether another attempt brings the same, or does harm. */
  isPermanent?: boolean | undefined
  /** More than the client may read, for the log. */
  reason?: string | undefined
}

/**
 * A rejection or failure that this proxy responds to itself (RFC 9457). `message` is the `detail`
 * that a client reads.
 */
export class ProxyError extends DiagnosedError<ErrorCode> {
  readonly retryAfter: number | undefined
  readonly allow: readonly string[] | undefined
  readonly reason: string | undefined
  readonly isPermanent: boolean

  constructor(
    code: ErrorCode,
    explanation: Explanation,
    { cause, retryAfter, allow, reason, isPermanent = false }: ProxyErrorOptions = {},
  ) {
    super({ code, ...explanation }, { cause })
    this.name = 'ProxyError'
    this.retryAfter = retryAfter
    this.allow = allow
    this.reason = reason
    this.isPermanent = isPermanent
  }

  /** The same failure in other words. */
  explained(explanation: Explanation): ProxyError {
    return new ProxyError(this.code, explanation, this)
  }

  get status(): number {
    return errorTable[this.code].status
  }

  get layer(): Layer {
    return errorTable[this.code].layer
  }

  get title(): string {
    return errorTable[this.code].title
  }
}
